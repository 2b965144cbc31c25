"""Index construction: build a store of the requested kind and tune it to reach the requested recall."""

import numpy as np
from numpy.typing import NDArray

from index.exact import ExactScan
from index.inverted import InvertedLists
from index.kinds import FOUR_BITS_FROM, IndexDescription, Kind, n_lists_for
from index.list_training import Bits, train_lists
from index.ranking import VectorsAt, nearest_rows
from index.recall import N_QUERIES, RecallError, RecallSample
from index.tuning import try_harder, tune
from index.vector_store import Rows, blocks

Store = ExactScan | InvertedLists


def build_store(  # noqa: PLR0913  (what a caller can override)
    vectors: NDArray[np.float32],
    *,
    kind: Kind,
    recall: float,
    n_lists: int | None,
    n_probe: int | None,
    seed: int,
) -> tuple[Store, IndexDescription]:
    """Build the store that `VectorIndex.build` asks for, and describe it.

    Raises
    ------
    ValueError
        When a number is out of range.
    RecallError
        When the index finds less than `recall` of the true neighbours.
    """
    if not 0 < recall <= 1:
        raise ValueError(f"recall must be above 0 and at most 1, got {recall}")
    description = IndexDescription(kind=kind, n_tracks=len(vectors), dim=vectors.shape[1], n_bytes=0)
    if kind == "exact":
        return ExactScan(Rows(vectors)), description
    if not len(vectors):
        raise ValueError(f"vectors must be at least 1 for the kind {kind}, got none")
    n_lists = n_lists or n_lists_for(len(vectors))
    for name, value, most in (("n_lists", n_lists, len(vectors)), ("n_probe", n_probe or 1, n_lists)):
        if not 1 <= value <= most:
            raise ValueError(f"{name} must be between 1 and {most}, got {value}")
    rows = _drawn(len(vectors), 2 * N_QUERIES, seed)
    halves = RecallSample.drawn(rows, vectors[rows], blocks(vectors)).halves()
    for n_bits in _widths(kind, len(vectors)):
        trained = train_lists(vectors, n_lists=n_lists, n_bits=n_bits, seed=seed)
        lists = InvertedLists(trained, Rows(vectors) if kind == "inverted" else None)
        reached = _tuned(lists, halves, vectors, recall=recall, n_probe=n_probe)
        if reached >= recall:
            break
    if reached < recall:
        raise RecallError(f"index_recall must be at least {recall}, got {reached:.4f} at n_probe {lists.n_probe}")
    return lists, IndexDescription(
        kind=kind,
        n_tracks=len(vectors),
        dim=vectors.shape[1],
        n_bytes=0,
        n_lists=n_lists,
        n_probe=lists.n_probe,
        n_ranked=lists.n_ranked,
        index_recall=reached,
        n_recall_queries=len(halves[1].rows),
    )


def _widths(kind: Kind, n_tracks: int) -> tuple[Bits, ...]:
    """Choose the bits of a number in the lists; 16 where 4 tell too little, though the vectors themselves rank."""
    return (4, 16) if kind == "inverted" and n_tracks >= FOUR_BITS_FROM else (16,)


def _tuned(
    lists: InvertedLists,
    halves: tuple[RecallSample, RecallSample],
    vectors: NDArray[np.float32],
    *,
    recall: float,
    n_probe: int | None,
) -> float:
    """Tune lists on one half of a sample, and return their recall on the other."""
    to_choose, to_measure = halves
    tune(lists, lambda: _recall(lists, to_choose, vectors.__getitem__), recall, n_probe=n_probe)
    reached = _recall(lists, to_measure, vectors.__getitem__)
    while reached < recall and n_probe is None and try_harder(lists):  # this half is harder by chance
        reached = _recall(lists, to_measure, vectors.__getitem__)
    return reached


def store_recall(store: Store, *, n_queries: int, seed: int) -> float:
    """Measure how many of the true neighbours among its own vectors a store finds."""
    rows = _drawn(len(store), n_queries, seed)
    return _recall(store, RecallSample.drawn(rows, store.at(rows), store.blocks()), store.at)


def _drawn(n_tracks: int, n_queries: int, seed: int) -> NDArray[np.int64]:
    """Sample tracks to measure recall on."""
    return np.random.default_rng(seed).choice(n_tracks, min(n_queries, n_tracks), replace=False)


def _recall(store: Store, sample: RecallSample, vectors_at: VectorsAt) -> float:
    """Measure a store's recall on a sample."""

    def nearest(queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        return nearest_rows(queries, store.search(queries, k), k, vectors_at=store.at)

    return sample.recall(nearest, vectors_at)
