"""Five measures of how a person listens, each computed from the plays of one user and comparable between users.

All are computed from the counts of plays per user and track that `taste_store` keeps, over the whole of a user's
history. A play that was skipped or disliked is not listening and does not count.

References
----------
Explorer: S. Hurlbert, The nonconcept of species diversity, Ecology 1971: the number of species expected in a sample of
m, ``sum_i 1 - C(n - n_i, m) / C(n, m)``; here artists among m plays, as a share of m. It is the expected share of
first-heard artists in m plays, and does not grow with the number of plays, as the plain share falls with it.
Diverse: C. Shannon, A mathematical theory of communication, 1948; G. Miller, Note on the bias of information estimates,
1955: entropy plus ``(values - 1) / (2 n)``.
New tracks: mean of ``log2(1 + days since release)``, with the sign turned.
Off the mainstream: T. Zhou et al., Solving the apparent diversity-accuracy dilemma of recommender systems, PNAS 2010:
the self-information ``-log2`` of the share of users who played the track, averaged over plays.
Unique: the angle between the user's vector of liked tracks (J. Rocchio 1971, as in `recall.user_profile`) and the mean
of all users' vectors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import gammaln

from audio_engine.recall.user_profile import taste_vectors
from audio_engine.users.taste_state import decayed_to
from audio_engine.users.track_facts import of_dimension

Floats = NDArray[np.float32]

MEASURES: Final = ("explorer", "diverse", "new_tracks", "off_mainstream", "unique")
UNITS: Final = {  # what the value of a measure is
    "explorer": "share of first-heard artists in 20 plays",
    "diverse": "entropy of sounds, bits",
    "new_tracks": "minus log2 of the days since release",
    "off_mainstream": "bits: minus log2 of the share of users who played a track",
    "unique": "degrees from the crowd",
}
SAMPLE_PLAYS = 20  # m; who has played less has no persona yet


@dataclass(frozen=True, kw_only=True, eq=False)
class Listening:
    """What the measures need to know beside a user's plays."""

    facts: pl.DataFrame  # of the tracks
    reach: pl.DataFrame  # track, reach: the share of users who played it
    rows: Mapping[str, int]  # of the tracks in the vectors
    vectors: Floats  # (n_tracks, dim) unit length
    half_life_days: float  # of the sums of plays


def measure(tastes: pl.DataFrame, listening: Listening, *, crowd: Floats | None) -> pl.DataFrame:
    """Measure some users.

    Parameters
    ----------
    tastes
        ``user``, ``track`` and the sums of their plays.
    listening
        The tracks.
    crowd : (dim,)
        The mean of all users' vectors, unit length; None: not known, and ``unique`` is null.

    Returns
    -------
    measures
        ``user``, ``n_plays`` (that count) and a column for each of `MEASURES`, null where it cannot be told: none can
        of users with fewer than `SAMPLE_PLAYS` such plays. By user.
    """
    kept = tastes.with_columns(
        n_plays=pl.col("n_plays") - pl.col("n_rejected"), mean_day=pl.col("day_sum") / pl.col("n_plays")
    )
    users = kept.group_by("user").agg(pl.col("n_plays").sum()).sort("user")
    kept = kept.filter(pl.col("n_plays") > 0)
    for part in (
        _explorer(kept, listening.facts),
        _diverse(kept, listening.facts),
        _new_tracks(kept, listening.facts),
        _off_mainstream(kept, listening.reach),
        _unique(tastes, listening, crowd),
    ):
        users = users.join(part, on="user", how="left", maintain_order="left")
    enough = pl.col("n_plays") >= SAMPLE_PLAYS
    return users.select("user", "n_plays", *(pl.when(enough).then(name).alias(name) for name in MEASURES))


def user_vectors(tastes: pl.DataFrame, listening: Listening) -> tuple[list[str], Floats]:
    """Compute the vectors of users from what they like and dislike.

    Returns
    -------
    users
        In the order of their names.
    vectors : (n_users, dim)
        Unit length; zeros for a user who likes nothing.
    """
    users = tastes["user"].unique().sort()
    number = {user: at for at, user in enumerate(users)}
    last = pl.col("last_day").max().over("user")  # a day of each user's own: what decays alike drops out of a mean
    known = decayed_to(tastes, last, half_life_days=listening.half_life_days).select(
        pl.col("user").replace_strict(number, return_dtype=pl.Int64),
        pl.col("track").replace_strict(listening.rows, default=None, return_dtype=pl.Int64),
        weight=pl.col("liked") - pl.col("disliked"),
    )
    known = known.drop_nulls()
    cells = (known["weight"].to_numpy(), (known["user"].to_numpy(), known["track"].to_numpy()))
    liking = csr_array(cells, shape=(len(users), len(listening.vectors)))
    return users.to_list(), taste_vectors(liking, listening.vectors)


def expected_values(counts: NDArray[np.int64], owner: NDArray[np.int64], *, m: int) -> NDArray[np.float64]:
    """Compute the number of different values expected among m plays drawn from each user's.

    Parameters
    ----------
    counts : (n_cells,)
        Plays of a value by a user.
    owner : (n_cells,)
        The user, from 0; each has a cell.
    m
        Plays drawn; at most what each user has.

    Returns
    -------
    expected : (n_users,)

    Examples
    --------
    >>> expected_values(np.array([1, 1, 3]), np.array([0, 0, 1]), m=2)  # two artists once each; one artist thrice
    array([2., 1.])
    """
    total = np.bincount(owner, counts)[owner]
    others = total - counts
    with np.errstate(invalid="ignore"):
        none = np.exp(_log_choose(others, m) - _log_choose(total, m))
    missed = np.where(others >= m, none, 0.0)
    return np.asarray(np.bincount(owner, 1.0 - missed), np.float64)


def entropy_bits(counts: NDArray[np.int64], owner: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute the entropy of each user's plays over values, with Miller's correction for few plays.

    Parameters
    ----------
    counts, owner : (n_cells,)
        As `expected_values`; counts above 0.

    Returns
    -------
    entropy : (n_users,)
        Bits.

    Examples
    --------
    >>> entropy_bits(np.array([512, 512, 9]), np.array([0, 0, 1])).round(3)
    array([1.001, 0.   ])
    """
    total = np.bincount(owner, counts)
    share = counts / total[owner]
    plain = np.bincount(owner, -share * np.log2(share))
    return np.asarray(plain + (np.bincount(owner) - 1) / (2 * total * np.log(2)))


def angles(vectors: Floats, crowd: Floats) -> NDArray[np.float64]:
    """Measure the angle between each user's vector and the crowd's: (n_users,) degrees, NaN of a vector of zeros."""
    cosine = vectors.astype(np.float64) @ crowd.astype(np.float64)
    angle = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return np.where(np.linalg.norm(vectors, axis=1) > 0, angle, np.nan)


def _explorer(kept: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """Expect so many first-heard artists in `SAMPLE_PLAYS` plays; a share of them."""
    users, counts, owner = _cells(kept, facts, "artist")
    return users.with_columns(explorer=expected_values(counts, owner, m=SAMPLE_PLAYS) / SAMPLE_PLAYS)


def _diverse(kept: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """Measure the entropy over sounds."""
    users, counts, owner = _cells(kept, facts, "sound")
    return users.with_columns(diverse=entropy_bits(counts, owner) if len(users) else pl.lit(None, pl.Float64))


def _cells(
    kept: pl.DataFrame, facts: pl.DataFrame, dimension: str
) -> tuple[pl.DataFrame, NDArray[np.int64], NDArray[np.int64]]:
    """Count each user's plays by value, of users with enough plays of known values: users, counts, owners."""
    known = kept.join(of_dimension(facts, dimension), on="track")
    cells = known.group_by("user", "value").agg(pl.col("n_plays").sum()).sort("user", "value")
    cells = cells.filter(pl.col("n_plays").sum().over("user") >= SAMPLE_PLAYS)
    owner = cells["user"].rank("dense").cast(pl.Int64).to_numpy() - 1
    return cells.select(pl.col("user").unique().sort()), cells["n_plays"].to_numpy(), owner


def _new_tracks(kept: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """Average over plays how new the tracks were; plays before a release tell nothing."""
    known = kept.join(of_dimension(facts, "release_day"), on="track")
    age = pl.col("mean_day") - pl.col("value")
    known = known.with_columns(age=age).filter(pl.col("age") >= 0)
    mean = ((1 + pl.col("age")).log(2) * pl.col("n_plays")).sum() / pl.col("n_plays").sum()
    return known.group_by("user").agg(new_tracks=-mean)


def _off_mainstream(kept: pl.DataFrame, reach: pl.DataFrame) -> pl.DataFrame:
    """Average over plays how few users play the tracks."""
    known = kept.join(reach, on="track")
    mean = (-pl.col("reach").log(2) * pl.col("n_plays")).sum() / pl.col("n_plays").sum()
    return known.group_by("user").agg(off_mainstream=mean)


def _unique(tastes: pl.DataFrame, listening: Listening, crowd: Floats | None) -> pl.DataFrame:
    """Measure the angle between a user's vector and that of the crowd, in degrees."""
    if crowd is None:
        return pl.DataFrame(schema={"user": pl.String, "unique": pl.Float64})
    users, vectors = user_vectors(tastes, listening)
    return pl.DataFrame({"user": users, "unique": angles(vectors, crowd)}).with_columns(pl.col("unique").fill_nan(None))


def _log_choose(n: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """Compute the logarithm of n choose k."""
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
