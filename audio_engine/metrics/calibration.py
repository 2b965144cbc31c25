"""Calibration of predicted probabilities."""

import numpy as np
from numpy.typing import NDArray

N_BINS = 10  # of confidence
N_DRAWS = 500  # of the outcomes of a calibrated classifier

Floats = NDArray[np.float64]


def calibration_error(confidence: Floats, is_right: Floats) -> float:
    """Compute the expected calibration error of the most probable genre.

    Parameters
    ----------
    confidence, is_right : (n,)
        Probability of the predicted genre; 1.0 if it is correct, else 0.0.

    Returns
    -------
    error
        Mean over tracks of the gap between confidence and accuracy in the track's bin; ten bins of equal width.

    References
    ----------
    M. P. Naeini, G. F. Cooper, M. Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, AAAI
    2015; C. Guo et al., ICML 2017, equation 3.
    """
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    return float(np.abs(np.bincount(bins, is_right - confidence)).sum() / len(confidence))


def lucky_calibration_error(confidence: Floats, *, seed: int) -> float:
    """Compute the mean of that error by chance alone, for a perfectly calibrated classifier."""
    rng = np.random.default_rng(seed)
    draws = (rng.random(len(confidence)) < confidence for _ in range(N_DRAWS))
    return float(np.mean([calibration_error(confidence, draw.astype(np.float64)) for draw in draws]))
