"""Soaring forecast: the probability that a track is among the most played of the days to come.

A gradient-boosted classifier learns from the log's own past. At weekly days before the one that is asked about, each
track is described by its plays up to then (and by its audio vector, where there are vectors), and the answer is whether
it was among the top share by plays in the days after. Artists are kept together: for each of five folds a classifier is
fitted without the fold's artists, and calibrated on them, so that what it has learned of an artist by heart does not
make it sure of itself.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import t as students_t
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold

from audio_engine.scoring.value.dimension import Dimension
from audio_engine.scoring.value.log import ValueLog
from audio_engine.scoring.value.policy import Soaring

logger = logging.getLogger(__name__)

WINDOWS = (1, 3, 7, 14, 28)  # days before, whose plays describe a track
N_PAST = 8  # days to learn from, `Soaring.days` apart
N_FOLDS = 5  # of artists
MOST_ROWS = 200_000  # tracks times days to learn from; of more, as many are drawn
N_COMPONENTS = 8  # of the audio vectors
FEWEST = 20  # soaring tracks, and others, without which nothing is learned

SO_FAR = """
    SELECT track, {windows}, sum(n)::DOUBLE AS n_all, sum(n_likes)::DOUBLE AS n_likes,
           sum(n_rejected)::DOUBLE AS n_rejected, sum(heard)::DOUBLE AS heard, {end} - min(day)::DOUBLE AS age
    FROM days WHERE day < {end} GROUP BY track
"""
NEXT = "SELECT track, sum(n)::DOUBLE AS n_next FROM days WHERE day >= {end} AND day < {end} + {n_days} GROUP BY track"

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A probability for each row it was asked about, (n,) each."""

    value: Floats
    low: Floats
    high: Floats


def soaring_forecast(
    log: ValueLog, tracks: pl.DataFrame, soaring: Soaring, *, vectors: NDArray[np.float32] | None = None
) -> Dimension:
    """Forecast how likely each track is among the top share by plays in the days to come.

    Of a track that is outside now, this is the probability that it enters.

    Numerator: how often a track was in the top share, over the days learned from. Denominator: how many tracks were
    looked at. Prior: their ratio, which a track without plays is given, as is every track where the log is too short to
    learn from. Interval: 95 % by the delete-a-group jackknife over the folds of artists.

    Parameters
    ----------
    log
        Plays; the day that it ends is the day asked about.
    tracks
        ``track`` and, where known, ``artist_key``.
    soaring
        What counts as soaring.
    vectors : (n_tracks, dim)
        Audio vectors, NaN for a track without one.

    Returns
    -------
    dimension
        Between 0 and 1.

    References
    ----------
    J. Friedman, Greedy function approximation: a gradient boosting machine, Annals of Statistics 2001, as
    scikit-learn's HistGradientBoostingClassifier. B. Zadrozny, C. Elkan, Transforming classifier scores into accurate
    multiclass probability estimates, KDD 2002: the calibration, isotonic. P. Kott, The delete-a-group jackknife,
    Journal of Official Statistics 2001: the interval.
    """
    end = int(np.ceil(log.at_day))
    past = learning_rows(log, tracks, soaring, ends=[end - (k + 1) * soaring.days for k in range(N_PAST)])
    positives, n_rows = float(past["soars"].sum()), len(past)
    share = positives / n_rows if n_rows else soaring.top_share
    now = features_at(log, tracks, soaring, end=end)
    seen = (now["n_all"] > 0).to_numpy()
    value, low, high = (np.full(len(tracks), constant) for constant in (share, 0.0, 1.0))
    if min(positives, n_rows - positives) < FEWEST or past["artist"].n_unique() < N_FOLDS:
        logger.warning(
            "soaring cannot be learned from %d tracks that did of %d: all are given %.3g", positives, n_rows, share
        )
    elif seen.any():
        found = forecast(past, now.filter(pl.col("n_all") > 0), vectors=vectors)
        value[seen], low[seen], high[seen] = found.value, found.low, found.high
    return Dimension(
        value=value,
        low=low,
        high=high,
        numerator=np.full(len(tracks), positives),
        denominator=np.full(len(tracks), float(n_rows)),
        prior=f"the rate of the days learned from, {share:.4g}",
    )


def features_at(log: ValueLog, tracks: pl.DataFrame, soaring: Soaring, *, end: int) -> pl.DataFrame:
    """Describe each track by its plays before a day.

    Returns
    -------
    rows
        In the order of `tracks`: ``row`` in it, ``artist``, ``is_top`` (in the last `Soaring.days`), and what
        `FEATURES` are made of; 0 plays for a track without.
    """
    windows = ", ".join(f"(sum(n) FILTER (day >= {end - days}))::DOUBLE AS n_{days}" for days in WINDOWS)
    recent = f"(sum(n) FILTER (day >= {end - soaring.days}))::DOUBLE AS n_recent"
    counts = log.fetch(SO_FAR.format(windows=f"{windows}, {recent}", end=end)).fill_null(0.0)
    artist = "artist_key" if "artist_key" in tracks.columns else "track"
    table = tracks.select("track", artist=pl.coalesce(pl.col(artist).cast(pl.String), "track")).with_row_index("row")
    rows = table.join(counts, on="track", how="left", maintain_order="left")
    rows = rows.with_columns(pl.col(pl.Float64).fill_null(0.0))
    played = pl.col("n_all") > 0
    place = pl.col("n_recent").rank("min", descending=True).over(played)
    return rows.with_columns(
        is_top=played & (pl.col("n_recent") > 0) & (place <= soaring.top_share * played.sum()),
        place=pl.col("n_recent").rank("average").over(played) / played.sum().clip(lower_bound=1),
    )


def learning_rows(log: ValueLog, tracks: pl.DataFrame, soaring: Soaring, *, ends: Sequence[int]) -> pl.DataFrame:
    """Describe the tracks that had plays at each of some days, and tell which were in the top share in the days after.

    Returns
    -------
    rows
        As `features_at`, with ``end`` and ``soars``; at most about `MOST_ROWS`, drawn by track.
    """
    (first,) = log.fetch("SELECT min(day)::INTEGER AS first FROM days")["first"]
    ends = [end for end in ends if end >= first + soaring.days]
    frames = [_labelled(log, tracks, soaring, end=end) for end in ends]
    if not frames:
        return _labelled(log, tracks, soaring, end=first)  # before the first play: no rows
    return pl.concat([_drawn(frame, MOST_ROWS // len(frames)) for frame in frames])


def _labelled(log: ValueLog, tracks: pl.DataFrame, soaring: Soaring, *, end: int) -> pl.DataFrame:
    """Take the tracks that had plays before a day, with what came after it."""
    after = log.fetch(NEXT.format(end=end, n_days=soaring.days))
    rows = features_at(log, tracks, soaring, end=end).filter(pl.col("n_all") > 0)
    rows = rows.join(after, on="track", how="left", maintain_order="left").with_columns(pl.col("n_next").fill_null(0.0))
    place = pl.col("n_next").rank("min", descending=True)
    soars = (pl.col("n_next") > 0) & (place <= soaring.top_share * pl.len())
    return rows.with_columns(soars=soars, end=pl.lit(end, pl.Int64))


def _drawn(rows: pl.DataFrame, n: int) -> pl.DataFrame:
    """Draw some of the rows, where there are more."""
    return rows if len(rows) <= n else rows.sample(n, seed=0)


def forecast(past: pl.DataFrame, now: pl.DataFrame, *, vectors: NDArray[np.float32] | None = None) -> Forecast:
    """Learn from rows with an answer, and forecast others.

    Parameters
    ----------
    past
        From `learning_rows`.
    now
        From `features_at`, of tracks with plays.
    vectors : (n_tracks, dim)
        Audio vectors of the tracks whose rows these are.

    Returns
    -------
    forecast
    """
    inputs, asked = _inputs(past), _inputs(now)
    if vectors is not None:
        inputs, asked = _with_sound(inputs, asked, vectors, past["row"].to_numpy(), now["row"].to_numpy())
    soars = past["soars"].to_numpy()
    folds = GroupKFold(N_FOLDS).split(inputs, groups=past["artist"].rank("dense").to_numpy())
    usable = [(rest, held) for rest, held in folds if all(len(set(soars[part])) == 2 for part in (rest, held))]
    if len(usable) < 2:
        share = np.full(len(now), float(soars.mean()))
        return Forecast(value=share, low=np.zeros(len(now)), high=np.ones(len(now)))
    model = CalibratedClassifierCV(_booster(), method="isotonic", cv=usable, ensemble=True).fit(inputs, soars)
    members = np.stack([member.predict_proba(asked)[:, 1] for member in model.calibrated_classifiers_])
    value, k = members.mean(0), len(members)
    error = np.sqrt((k - 1) / k * ((members - value) ** 2).sum(0)) * students_t.ppf(0.975, k - 1)
    return Forecast(value=value, low=(value - error).clip(0, 1), high=(value + error).clip(0, 1))


def _booster() -> HistGradientBoostingClassifier:
    """Make the classifier, small: a catalogue may have a few hundred tracks."""
    return HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.06, max_leaf_nodes=8, min_samples_leaf=20, l2_regularization=1.0, random_state=0
    )


def _inputs(rows: pl.DataFrame) -> Floats:
    """Compute what the classifier sees: logs of counts, their ratios, rates, the place among the tracks, the age."""
    counts = [pl.col(f"n_{days}").log1p() for days in WINDOWS]
    rises = [(pl.col(f"n_{short}") + 1).log() - (pl.col(f"n_{long}") + 1).log() for short, long in pairwise(WINDOWS)]
    n_all = pl.col("n_all")
    rates = [
        (pl.col("n_likes") + 1) / (n_all + 5),
        (pl.col("n_rejected") + 1) / (n_all + 5),
        (pl.col("heard") + 2.5) / (n_all + 5),
    ]
    columns = [*counts, *rises, n_all.log1p(), *rates, pl.col("place"), pl.col("age").log1p()]
    return np.column_stack([rows.select(column.cast(pl.Float64)).to_series().to_numpy() for column in columns])


def _with_sound(
    inputs: Floats, asked: Floats, vectors: NDArray[np.float32], past: NDArray[np.uint32], now: NDArray[np.uint32]
) -> tuple[Floats, Floats]:
    """Add the first principal components of the audio vectors, which the tracks learned from decide."""
    known = vectors[np.unique(past)]
    known = known[~np.isnan(known).any(1)]
    n_components = min(N_COMPONENTS, *known.shape)
    if not n_components:
        return inputs, asked
    components = PCA(n_components, random_state=0).fit(known)
    sound = np.full((len(vectors), n_components), np.nan)
    has_one = ~np.isnan(vectors).any(1)
    sound[has_one] = components.transform(vectors[has_one])
    return np.hstack([inputs, sound[past]]), np.hstack([asked, sound[now]])
