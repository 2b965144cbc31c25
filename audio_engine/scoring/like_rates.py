"""Smoothed like rates by the Beta-binomial model, which few plays cannot push to 0 or 1.

Each track has its own rate, drawn from a Beta prior that the tracks of a group share; likes are binomial. The score
returned is the mean of the rate's posterior, (likes + alpha) / (plays + alpha + beta).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

LOG_BOUNDS = (-10.0, 15.0)  # of log alpha and log beta; at the upper bound all tracks share one rate to six digits

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class BetaPrior:
    """The prior of a rate, worth as much as ``alpha`` likes in ``alpha + beta`` plays."""

    alpha: float  # plays
    beta: float  # plays

    def __post_init__(self) -> None:
        for name in ("alpha", "beta"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be positive and finite, got {value}")

    @property
    def mean(self) -> float:
        """Rate of a track without plays."""
        return self.alpha / (self.alpha + self.beta)


def smoothed_rate(likes: ArrayLike, plays: ArrayLike, prior: BetaPrior) -> Floats:
    """Smooth rates towards the mean of their prior: R̂ = (C + α) / (I + α + β).

    Parameters
    ----------
    likes, plays : (n_tracks,)
        Counts C and I.
    prior
        Of the group that the tracks belong to.

    Returns
    -------
    rate : (n_tracks,)

    References
    ----------
    A. Gelman et al., Bayesian Data Analysis, third edition 2013, section 2.4: the posterior mean of a binomial rate.

    Examples
    --------
    >>> smoothed_rate([0, 1, 40], [0, 1, 100], BetaPrior(alpha=2, beta=8))
    array([0.2       , 0.27272727, 0.38181818])
    """
    likes, plays = check_counts(likes, plays)
    return np.asarray((likes + prior.alpha) / (plays + prior.alpha + prior.beta))


def prior_by_moments(likes: ArrayLike, plays: ArrayLike) -> BetaPrior:
    """Match a Beta's mean and variance to those of the raw rates: α + β = R̄(1 − R̄) / S² − 1, α = (α + β)·R̄.

    R̄ and S² are the mean and the sample variance (n − 1 below the line) of the raw rates likes / plays. They are
    not weighted: a track counts once, however many plays it has. S² then includes the sampling variance of the draws on
    top of the variance of the true rates, so that with few plays per track the prior is too weak; `prior_by_likelihood`
    separates the two.

    Parameters
    ----------
    likes, plays : (n_tracks,)
        Counts; tracks without plays are ignored.

    Returns
    -------
    prior

    Raises
    ------
    ValueError
        When nothing or everything was liked, or no Beta has these moments: S² = 0, or S² ≥ R̄(1 − R̄).

    References
    ----------
    A. Gelman et al., Bayesian Data Analysis, third edition 2013, appendix A: the moments of the Beta, solved for α and
    β.

    Examples
    --------
    >>> prior = prior_by_moments([1, 2, 3], [10, 10, 10])  # R̄ = 0.2, S² = 0.01: α + β = 0.16 / 0.01 − 1
    >>> round(prior.alpha, 9), round(prior.beta, 9)
    (3.0, 12.0)
    """
    likes, plays = check_counts(likes, plays)
    _check_both(likes, plays)
    rates = likes[plays > 0] / plays[plays > 0]
    if len(rates) < 2:
        raise ValueError(f"tracks with plays must be at least 2 to have a variance, got {len(rates)}")
    mean, variance = float(rates.mean()), float(rates.var(ddof=1))
    most = mean * (1 - mean)
    if np.ptp(rates) == 0 or variance >= most:
        raise ValueError(
            f"variance of the rates must be between 0 and mean * (1 - mean) = {most:.6g}, got {variance:.6g}, "
            "which no Beta has (too few plays a track? the prior by likelihood may still be found)"
        )
    strength = most / variance - 1
    return BetaPrior(alpha=strength * mean, beta=strength * (1 - mean))


def prior_by_likelihood(likes: ArrayLike, plays: ArrayLike) -> BetaPrior:
    """Find the Beta with the maximum likelihood of the counts.

    If the rates differ no more than by chance, the likelihood has no maximum: alpha and beta grow to the bounds of the
    search, and every rate is smoothed to the common one.

    Parameters
    ----------
    likes, plays : (n_tracks,)
        Counts; tracks without plays have no effect.

    Returns
    -------
    prior

    Raises
    ------
    ValueError
        When nothing or everything was liked, or no track was played twice: then there is no maximum.

    References
    ----------
    J. Skellam, A probability distribution derived from the binomial distribution by regarding the probability of
    success as variable between the sets of trials, JRSS B 1948: the beta-binomial, fitted by maximum likelihood; its
    gradient from the derivative of ``betaln``.
    """
    from scipy.optimize import minimize  # noqa: PLC0415  (a service, which needs only moments, starts without SciPy)

    likes, plays = check_counts(likes, plays)
    _check_both(likes, plays)
    if plays.max() < 2:
        raise ValueError("plays must be 2 or more for some track, got at most 1 (the prior's strength is undetermined)")
    counts, n_tracks = np.unique(np.stack([likes, plays])[:, plays > 0], axis=1, return_counts=True)
    mean, strength = likes.sum() / plays.sum(), 10.0  # the start of the search
    found = minimize(
        _negative_log_likelihood,
        np.log([mean * strength, (1 - mean) * strength]),
        args=(counts[0], counts[1], n_tracks / n_tracks.sum()),
        jac=True,
        bounds=[LOG_BOUNDS] * 2,
        method="L-BFGS-B",
        options={"ftol": 1e-14, "gtol": 1e-9},
    )
    alpha, beta = np.exp(found.x)
    return BetaPrior(alpha=float(alpha), beta=float(beta))


def smoothed_rates(
    counts: pl.DataFrame,
    *,
    group: Sequence[str] = (),
    find_prior: Callable[[ArrayLike, ArrayLike], BetaPrior] = prior_by_moments,
) -> pl.DataFrame:
    """Smooth a table of rates, each group by its own prior.

    Parameters
    ----------
    counts
        With ``likes`` and ``plays``, a row per track.
    group
        Columns that define the groups; none: all tracks form one group.
    find_prior
        `prior_by_moments` or `prior_by_likelihood`.

    Returns
    -------
    rates
        The table, its rows in order, with ``rate`` (null without plays), ``smoothed_rate``, ``alpha`` and ``beta``.

    Raises
    ------
    ValueError
        When a group has no prior; the message names the group.
    """
    for name in ("likes", "plays", *group):
        if name not in counts.columns:
            raise ValueError(f"counts must have a column {name!r}, got {', '.join(counts.columns)}")
    numbered = counts.with_row_index("_row")
    parts = numbered.partition_by(*group, as_dict=True) if group else {(): numbered}
    smoothed = []
    for values, part in parts.items():
        likes, plays = part["likes"].to_numpy(), part["plays"].to_numpy()
        try:
            prior = find_prior(likes, plays)
        except ValueError as error:
            name = ", ".join(f"{column} {value!r}" for column, value in zip(group, values, strict=True))
            raise ValueError(f"{name or 'the table'}: {error}") from error
        smoothed.append(
            part.with_columns(
                pl.when(pl.col("plays") > 0).then(pl.col("likes") / pl.col("plays")).alias("rate"),
                pl.Series("smoothed_rate", smoothed_rate(likes, plays, prior)),
                alpha=prior.alpha,
                beta=prior.beta,
            )
        )
    return pl.concat(smoothed).sort("_row").drop("_row") if smoothed else numbered.drop("_row")


def count_likes(plays: pl.LazyFrame, *, action: str = "like") -> pl.DataFrame:
    """Count a play log by track.

    Parameters
    ----------
    plays
        With ``track`` and ``action``; plays of unknown tracks do not count.
    action
        The action counted as a like.

    Returns
    -------
    counts
        ``track``, ``likes`` and ``plays``, in the order of the tracks' ids.
    """
    liked = (pl.col("action") == action).sum().cast(pl.Int64)
    counted = plays.drop_nulls("track").group_by("track").agg(likes=liked, plays=pl.len().cast(pl.Int64))
    return counted.collect(engine="streaming").sort("track")


def check_counts(likes: ArrayLike, plays: ArrayLike) -> tuple[Floats, Floats]:
    """Refuse impossible counts: of different shapes, below 0, or more likes than plays."""
    likes, plays = np.asarray(likes, np.float64), np.asarray(plays, np.float64)
    if likes.shape != plays.shape:
        raise ValueError(f"likes and plays must have the same shape, got {likes.shape} and {plays.shape}")
    wrong = ~((likes >= 0) & (likes <= plays) & np.isfinite(plays))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"likes must be between 0 and plays, got {likes.flat[first]:g} of {plays.flat[first]:g} at {first}"
        )
    return likes, plays


def _check_both(likes: Floats, plays: Floats) -> None:
    """Refuse counts without a prior: with only likes, or with none."""
    if not 0 < likes.sum() < plays.sum():
        raise ValueError(f"likes must be some and not all of the plays, got {likes.sum():.0f} of {plays.sum():.0f}")


def _negative_log_likelihood(logs: Floats, likes: Floats, plays: Floats, weight: Floats) -> tuple[float, Floats]:
    """Compute the mean negative log-likelihood without the binomial coefficient, and its gradient in the logs."""
    from scipy.special import betaln, digamma  # noqa: PLC0415  (as above)

    alpha, beta = np.exp(logs)
    value = betaln(likes + alpha, plays - likes + beta) - betaln(alpha, beta)
    common = digamma(alpha + beta) - digamma(plays + alpha + beta)
    by_alpha = digamma(likes + alpha) - digamma(alpha) + common
    by_beta = digamma(plays - likes + beta) - digamma(beta) + common
    return -float(weight @ value), -np.array([alpha * (weight @ by_alpha), beta * (weight @ by_beta)])
