"""Calibration of predicted probabilities."""

import numpy as np
from numpy.typing import NDArray

N_BINS = 10  # of confidence
N_DRAWS = 500  # of a calibrated classifier's luck

Floats = NDArray[np.float64]


def calibration_error(confidence: Floats, is_right: Floats) -> float:
    """Compute the expected calibration error of the most probable genre.

    Parameters
    ----------
    confidence, is_right : (n,)
        Probability of the genre said; 1.0 where it was the right one, else 0.0.

    Returns
    -------
    error
        Mean over tracks of the gap between confidence and share of right answers in the track's bin, of ten of equal
        width.

    References
    ----------
    M. P. Naeini, G. F. Cooper, M. Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, AAAI
    2015; C. Guo et al., ICML 2017, equation 3.
    """
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    return float(np.abs(np.bincount(bins, is_right - confidence)).sum() / len(confidence))


def lucky_calibration_error(confidence: Floats, *, seed: int) -> float:
    """Say how large that error is by chance alone, in the mean, where every confidence is true."""
    rng = np.random.default_rng(seed)
    draws = (rng.random(len(confidence)) < confidence for _ in range(N_DRAWS))
    return float(np.mean([calibration_error(confidence, draw.astype(np.float64)) for draw in draws]))
