"""Lift of observed over expected counts, shrunk towards 1 by a Gamma prior that all the cells share.

A cell, such as a track or a track in a circle of users, has O events where E were expected. O is Poisson with mean θE,
and θ, its lift, is drawn from a Gamma with mean 1. The posterior is Gamma(α + O, α + E): a cell without evidence has
lift 1, and few events cannot make a large one.

References
----------
D. Clayton, J. Kaldor, Empirical Bayes estimates of age-standardized relative risks for use in disease mapping,
Biometrics 1987. W. DuMouchel, Bayesian data mining in large frequency tables, The American Statistician 1999: the same
for a table of many cells of which the highest are looked at. Changed here: the prior's mean is fixed to 1, as the
expected counts sum to the observed, and its variance is found by moments.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import gammaln
from scipy.stats import gamma

LEVEL = 0.95  # share of the posterior inside an interval
MOST_STRENGTH = 1e6  # expected events; then all cells share one lift to three digits
LOG_STRENGTH = (-5.0, 15.0)  # bounds of its logarithm, by maximum likelihood
LEAST_STRENGTH = 0.1  # expected events; a lift then varies by a factor of 3 and more

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class GammaPrior:
    """The prior of a lift, Gamma(strength, strength): mean 1, worth as much as ``strength`` expected events."""

    strength: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.strength) and self.strength > 0):
            raise ValueError(f"strength must be positive and finite, got {self.strength}")

    def __str__(self) -> str:
        return f"Gamma({self.strength:.4g}, {self.strength:.4g})"


@dataclass(frozen=True, kw_only=True)
class ShrunkLift:
    """Lifts and their central 95 % intervals, (n,) each."""

    value: Floats  # the posterior mean
    low: Floats
    high: Floats


def gamma_prior_by_moments(observed: ArrayLike, expected: ArrayLike) -> GammaPrior:
    """Find the prior by Pearson's statistic: Σ(O − E)²/E = n + τ²·ΣE on average, and the strength is 1/τ².

    Parameters
    ----------
    observed, expected : (n,)
        O and E of the cells; one that expects nothing does not count.

    Returns
    -------
    prior
        If the lifts vary no more than by chance, or nothing was observed, that with the largest strength.

    Examples
    --------
    >>> round(gamma_prior_by_moments([0, 20], [10, 10]).strength, 4)  # Σ(O − E)²/E = 20 = 2 + τ²·20
    1.1111
    """
    observed, expected = np.asarray(observed, np.float64), np.asarray(expected, np.float64)
    some = expected > 0
    observed, expected = observed[some], expected[some]
    if not observed.any():
        return GammaPrior(strength=MOST_STRENGTH)
    pearson = float(((observed - expected) ** 2 / expected).sum())
    return gamma_prior_of_sums(pearson, total=float(expected.sum()), n_cells=len(expected))


def gamma_prior_of_sums(pearson: float, *, total: float, n_cells: int) -> GammaPrior:
    """Find that prior from sums over the cells, for who cannot hold them in memory.

    Parameters
    ----------
    pearson
        Σ(O − E)²/E; a cell without events adds its E.
    total
        ΣE.
    n_cells
        How many there are, those without events among them.
    """
    variance = (pearson - n_cells) / total if total > 0 else 0.0
    strength = 1 / variance if variance > 1 / MOST_STRENGTH else MOST_STRENGTH
    return GammaPrior(strength=max(LEAST_STRENGTH, float(strength)))


def gamma_prior_by_likelihood(observed: ArrayLike, expected: ArrayLike) -> GammaPrior:
    """Find the prior by maximum likelihood (O is then negative binomial): slower than moments, and surer of few cells.

    Parameters
    ----------
    observed, expected : (n,)
        O and E of the cells; E above 0.
    """
    observed, expected = np.asarray(observed, np.float64), np.asarray(expected, np.float64)

    def loss(log_strength: float) -> float:
        strength = np.exp(log_strength)
        gain = gammaln(observed + strength) - gammaln(strength) + strength * np.log(strength / (strength + expected))
        return -float((gain + observed * np.log(expected / (strength + expected))).sum())

    return GammaPrior(strength=float(np.exp(minimize_scalar(loss, bounds=LOG_STRENGTH, method="bounded").x)))


def shrunk_lift(observed: ArrayLike, expected: ArrayLike, prior: GammaPrior) -> ShrunkLift:
    """Shrink lifts towards 1: (O + α) / (E + α).

    Parameters
    ----------
    observed, expected : (n,)
        O and E of the cells, at least 0.
    prior
        Of all of them.

    Returns
    -------
    lift

    Examples
    --------
    >>> shrunk_lift([0, 8], [0, 2], GammaPrior(strength=2.0)).value
    array([1. , 2.5])
    """
    observed, expected = np.asarray(observed, np.float64), np.asarray(expected, np.float64)
    for name, values in (("observed", observed), ("expected", expected)):
        if not (values >= 0).all():
            raise ValueError(f"{name} must be at least 0, got {values.min() if len(values) else values}")
    shape, rate = observed + prior.strength, expected + prior.strength
    tail = (1 - LEVEL) / 2
    low, high = (np.asarray(gamma.ppf(share, shape, scale=1 / rate), np.float64) for share in (tail, 1 - tail))
    return ShrunkLift(value=shape / rate, low=low, high=high)
