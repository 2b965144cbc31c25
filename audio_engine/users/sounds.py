"""Clusters of sound: k-means over the vectors of a catalogue, named by the genre words that are typical of each.

References
----------
I. Dhillon, D. Modha, Concept decompositions for large sparse text data using clustering, Machine Learning 2001:
spherical k-means; here scikit-learn's k-means on unit vectors, with centres brought to unit length in the end.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MAX_SOUNDS = 24  # more than a person wants to read
TRACKS_LEARNED = 50_000  # of a larger catalogue, a sample of so many
TRACKS_AT_ONCE = 100_000  # that are assigned together
MIN_TRACKS = 3  # of a cluster that have a genre word, for it to be typical
N_WORDS = 2  # in a name


def n_sounds(n_tracks: int) -> int:
    """Choose the number of clusters by the rule of thumb ``sqrt(n / 2)``, between 1 and `MAX_SOUNDS`.

    References
    ----------
    K. Mardia, J. Kent, J. Bibby, Multivariate Analysis, 1979, page 365.

    Examples
    --------
    >>> n_sounds(18), n_sounds(553), n_sounds(1_000_000)
    (3, 17, 24)
    """
    return max(1, min(MAX_SOUNDS, round(math.sqrt(n_tracks / 2))))


def learn_centres(vectors: Floats, *, seed: int = 0) -> Floats:
    """Learn the centres of the clusters.

    Parameters
    ----------
    vectors : (n_tracks, dim)
        Unit length; at least one.
    seed
        Of the sample and of the starting points.

    Returns
    -------
    centres : (n_sounds, dim)
        Unit length.
    """
    from sklearn.cluster import KMeans  # noqa: PLC0415  (slow to load)

    rng = np.random.default_rng(seed)
    if len(vectors) > TRACKS_LEARNED:
        vectors = vectors[np.sort(rng.choice(len(vectors), TRACKS_LEARNED, replace=False))]
    found = KMeans(n_sounds(len(vectors)), n_init=4, random_state=seed).fit(vectors)
    lengths = np.linalg.norm(found.cluster_centers_, axis=1, keepdims=True)
    return np.asarray(found.cluster_centers_ / np.maximum(lengths, 1e-9), np.float32)


def nearest_centre(vectors: Floats, centres: Floats) -> NDArray[np.int64]:
    """Find the cluster of each track: (n_tracks,)."""
    return np.concatenate([np.argmax(block @ centres.T, axis=1) for block in _blocks(vectors)])


def name_sounds(
    cluster: NDArray[np.int64],
    *,
    genres: Sequence[str | None],
    titles: Sequence[str | None],
    vectors: Floats,
    centres: Floats,
) -> list[str]:
    """Name the clusters by the genre words that are typical of them, each name once.

    A word is scored by ``tf * log(share here / share everywhere)``, the number of its tracks in the cluster times the
    logarithm of the lift: TF-IDF with the lift in place of the inverse document frequency. A cluster without a typical
    word is named after its most central track that has a title, or else by a number.

    Parameters
    ----------
    cluster : (n_tracks,)
        Of each track.
    genres, titles
        Of each track; None where not known.
    vectors : (n_tracks, dim)
    centres : (n_sounds, dim)
        Of the clusters, one of which may be empty.

    Returns
    -------
    names : (n_sounds,)
    """
    here = [Counter[str]() for _ in centres]
    for number, genre in zip(cluster.tolist(), genres, strict=True):
        if genre:
            here[number][genre] += 1
    everywhere = sum(here, Counter[str]())
    closeness = np.einsum("td,td->t", vectors, centres[cluster])
    names: list[str] = []
    for number in range(len(centres)):
        name = " / ".join(_typical(here[number], everywhere))
        if not name or name in names:
            name = _by_track(number, cluster, closeness, titles, prefix=name)
        names.append(name if name not in names else f"{name} ({number + 1})")
    return names


def with_sounds(facts: pl.DataFrame, track_ids: Sequence[str], vectors: Floats, centres: Floats) -> pl.DataFrame:
    """Add the sound of each track to the facts.

    Parameters
    ----------
    facts
        ``track``, ``title``, ``genre`` and more.
    track_ids, vectors : (n_tracks,), (n_tracks, dim)
        Of the tracks that have a vector.
    centres : (n_sounds, dim)
        None at all where there are no tracks.

    Returns
    -------
    facts
        With ``sound``, the name of the track's cluster; null without a vector.
    """
    order = pl.DataFrame({"track": list(track_ids)}, schema={"track": pl.String})
    told = order.join(facts, on="track", how="left", maintain_order="left")
    cluster = nearest_centre(vectors, centres) if len(vectors) else np.zeros(0, np.int64)
    names = name_sounds(
        cluster,
        genres=told["genre"].to_list(),
        titles=told["title"].to_list(),
        vectors=vectors,
        centres=centres,
    )
    sound = pl.Series([names[number] for number in cluster.tolist()], dtype=pl.String)
    return facts.join(order.with_columns(sound=sound), on="track", how="left", maintain_order="left")


def _typical(here: Mapping[str, int], everywhere: Mapping[str, int]) -> list[str]:
    """Choose the words that are typical of a cluster, the most typical first."""
    n_here, n_all = sum(here.values()), sum(everywhere.values())
    score = {
        word: count * math.log((count / n_here) / (everywhere[word] / n_all))
        for word, count in here.items()
        if count >= MIN_TRACKS
    }
    return sorted((word for word in score if score[word] > 0), key=lambda word: (-score[word], word))[:N_WORDS]


def _by_track(
    number: int, cluster: NDArray[np.int64], closeness: Floats, titles: Sequence[str | None], *, prefix: str
) -> str:
    """Name a cluster after its most central track that has a title, else by its number."""
    rows = [row for row in np.flatnonzero(cluster == number).tolist() if titles[row]]
    if not rows:
        return f"{prefix or 'sound'} {number + 1}"
    like = f"like “{titles[max(rows, key=lambda row: float(closeness[row]))]}”"
    return f"{prefix}, {like}" if prefix else like


def _blocks(vectors: Floats) -> Iterator[Floats]:
    """Cut vectors into blocks; at least one, which may be empty."""
    for start in range(0, max(len(vectors), 1), TRACKS_AT_ONCE):
        yield vectors[start : start + TRACKS_AT_ONCE]
