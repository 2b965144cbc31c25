"""Evaluation of audio similarity: whether related tracks of a labelled table are neighbours.

Each track is a query for the others; those with the same value in one column (an artist, say) are relevant. Candidates
are the evaluated tracks except the query. Our encoder is compared with chance, baseline descriptors and an untrained
copy of itself, on the same decoded audio.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.evaluation.report import SimilarityReport
from audio_engine.evaluation.representations import (
    MFCC,
    OURS,
    WIDE_MFCC,
    Vectors,
    Version,
    by_method,
    describe,
    methods,
)
from audio_engine.metrics import retrieval
from audio_engine.metrics.bootstrap import Estimate, bootstrap_mean, bootstrap_ratio
from audio_engine.metrics.results import Result, results_of
from audio_engine.plays.tables import audio_files, read_tracks
from metric_learning.embedder import Embedder

K = 5  # length of a result whose precision is measured
K_OCCURRENCE = 10  # length of a result whose hubs are counted

CHANCE = "chance"
PRECISION, MAP = f"precision@{K}", "mAP"
RATIOS = {MFCC: f"{PRECISION} / MFCC", WIDE_MFCC: f"{PRECISION} / MFCC at 44.1 kHz"}
SKEWNESS, ANTI_HUBS = f"skewness of {K_OCCURRENCE}-occurrence", "share of anti-hubs"
# Robustness tests: the version of the query, and the version in the catalogue.
ROBUSTNESS = {
    "finds itself after MP3 at 64 kbit/s": (Version.MP3, Version.WHOLE),
    "finds itself at -6 dB": (Version.QUIETER, Version.WHOLE),
    "finds itself below 4 kHz": (Version.MUFFLED, Version.WHOLE),
    "finds itself in noise at 20 dB": (Version.NOISY, Version.WHOLE),
    "finds itself by another excerpt": (Version.FIRST_HALF, Version.SECOND_HALF),
}


def evaluate_similarity(  # noqa: PLR0913  (the options of one command)
    tracks: Path,
    audio: Path,
    *,
    relevant: str = "artist_key",
    split: str | None = None,
    unseen_artists: bool = False,
    model: Path | None = None,
    seed: int = 0,
) -> SimilarityReport:
    """Measure how well similarity agrees with a column of a table of tracks.

    Precision of the first five, mean average precision, hubness, and robustness: the share of tracks whose degraded
    version finds its own track first among all. For "another excerpt" each file is cut in the middle, and the vector of
    its first half is looked up among the vectors of the second halves of all tracks. Baseline descriptors are z-scored
    over the evaluated tracks; all methods are compared by cosine.

    Parameters
    ----------
    tracks
        A Parquet or CSV file with the columns ``track``, ``file`` and the relevant one; for ``split`` and
        ``unseen_artists`` also ``split`` and ``artist_seen``.
    audio
        The folder that ``file`` is in.
    relevant
        The column whose equal values make tracks relevant to each other; an empty value is equal to none.
    split
        Evaluate only tracks of this split.
    unseen_artists
        Evaluate only tracks whose artist has no track in training (``artist_seen`` is false).
    model
        Folder of our model; None: the one in the package.
    seed
        Seed of the bootstrap resamples, and of the weights of the untrained copy.

    Returns
    -------
    report
        Measures of each method, each with a 95 % interval from resamples of queries; files that cannot be read are left
        out, and named there.

    Raises
    ------
    FileNotFoundError
        When the table, a file that it names or the model is missing.
    ValueError
        When a column is missing, or fewer than two tracks are left.
    """
    asked = read_tracks(tracks, audio, columns=[relevant], split=split, unseen_artists=unseen_artists, at_least=2)
    files, embedder = audio_files(asked), Embedder.load(model)
    by = methods(embedder, seed)
    found = list(describe(files, by))
    failed = tuple(f"{file}: {each}" for file, each in zip(files, found, strict=True) if isinstance(each, Exception))
    tracks_read = [each for each in found if not isinstance(each, Exception)]
    if len(tracks_read) < 2:
        raise ValueError(
            f"audio must hold at least 2 files that can be read, got {len(tracks_read)} of {len(files)}; {failed[0]}"
        )
    kept = asked.where(np.array([not isinstance(each, Exception) for each in found]))
    is_relevant = _same_value(kept.table[relevant])
    measures = list(_chance(is_relevant, seed))
    precision: dict[str, NDArray[np.float64]] = {}
    for method, vectors in by_method(tracks_read, by):
        precision[method.name] = _precision(vectors[Version.WHOLE], is_relevant)
        measures += _measures(method.name, vectors, is_relevant, seed)
    ratios = {
        metric: bootstrap_ratio(precision[OURS], precision[baseline], seed=seed) for baseline, metric in RATIOS.items()
    }
    measures += results_of(ratios, method=OURS, about={"n": len(kept)})
    return SimilarityReport(
        measures=tuple(measures),
        relevant=relevant,
        n_tracks=len(kept),
        n_alone=int((is_relevant.sum(axis=1) == 0).sum()),
        model_id=embedder.model_id,
        failed=failed,
    )


def _same_value(column: pl.Series) -> retrieval.Bools:
    """Compute which tracks are relevant to which: (n_tracks, n_tracks), false on the diagonal."""
    known = (column.is_not_null() & (column.cast(pl.String) != "")).to_numpy()
    values = column.cast(pl.String).fill_null("").to_numpy()
    same: retrieval.Bools = (values[:, np.newaxis] == values) & known
    np.fill_diagonal(same, False)
    return same


def _chance(is_relevant: retrieval.Bools, seed: int) -> Iterator[Result]:
    """Compute the exact expected measures of a random ranking."""
    n = len(is_relevant)
    others = is_relevant[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    values = {PRECISION: others.mean(axis=1), MAP: retrieval.chance_average_precision(others)}
    yield from results_of(_means(values, seed), method=CHANCE, about={"n": n})


def _precision(vectors: Vectors, is_relevant: retrieval.Bools) -> NDArray[np.float64]:
    hits = np.take_along_axis(is_relevant, retrieval.rank_others(vectors), axis=1)
    return retrieval.precision_at_k(hits, K)


def _measures(
    method: str, vectors: dict[Version, Vectors], is_relevant: retrieval.Bools, seed: int
) -> Iterator[Result]:
    """Measure one method."""
    n = len(is_relevant)
    ranking = retrieval.rank_others(vectors[Version.WHOLE])
    hits = np.take_along_axis(is_relevant, ranking, axis=1)
    values = {PRECISION: retrieval.precision_at_k(hits, K), MAP: retrieval.average_precision(hits)}
    for metric, (degraded, catalogue) in ROBUSTNESS.items():
        if degraded not in vectors:
            continue
        found = retrieval.rank(retrieval.cosine(vectors[degraded], vectors[catalogue]))
        values[metric] = retrieval.recall_at_k(found == np.arange(n)[:, np.newaxis], 1)
    yield from results_of(_means(values, seed), method=method, about={"n": n})
    n_answers = retrieval.k_occurrence(ranking, K_OCCURRENCE)
    for metric, value in ((SKEWNESS, retrieval.skewness(n_answers)), (ANTI_HUBS, float(np.mean(n_answers == 0)))):
        yield Result(method=method, metric=metric, value=value, about={"n": n})


def _means(values: dict[str, NDArray[np.float64]], seed: int) -> dict[str, Estimate]:
    return {metric: bootstrap_mean(each, seed=seed) for metric, each in values.items()}
