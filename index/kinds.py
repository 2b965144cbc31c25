"""Which kind of index for how many vectors, and what an index says about itself.

The thresholds were measured with ``python -m tests.benchmarks.index_speed``; docs/experiments/index_speed.md has the
tables.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["exact", "inverted", "compressed"]

EXACT_BELOW = 200_000  # vectors: up to here a scan of all answers in about 2 ms on one thread, and is never wrong
COMPRESSED_FROM = 10_000_000  # vectors: from here the exact vectors, 160 bytes each, are left out
MOST_LISTS = 4096


@dataclass(frozen=True, kw_only=True)
class IndexDescription:
    """What an index is and how good it is."""

    kind: Kind
    n_tracks: int
    dim: int
    n_bytes: int  # memory or mapped file: vectors, lists and track ids
    n_lists: int | None = None  # None where all vectors are compared
    n_probe: int | None = None  # lists looked at for a query
    index_recall: float = 1.0  # of the true `recall_k` nearest, the share found; measured when it was built
    recall_k: int = 10
    n_recall_queries: int = 0  # sampled tracks it was measured on; 0 where it is 1 by construction
    n_changed: int = 0  # tracks added or removed since it was built: when many, build again


def check_kind(kind: Kind) -> Kind:
    """Give back a kind, and refuse what is none.

    Raises
    ------
    ValueError
    """
    if kind not in get_args(Kind):
        raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}, got {kind!r}")
    return kind


def kind_for(n_tracks: int) -> Kind:
    """Choose the kind for a catalogue of this size.

    Examples
    --------
    >>> kind_for(553), kind_for(1_000_000), kind_for(10_000_000)
    ('exact', 'inverted', 'compressed')
    """
    if n_tracks < EXACT_BELOW:
        return "exact"
    return "inverted" if n_tracks < COMPRESSED_FROM else "compressed"


def n_lists_for(n_tracks: int) -> int:
    """Choose how many lists: the power of two nearest to 2 √n, so that finding lists and reading them cost alike.

    At most 4096, for filing n vectors costs n times as much as there are lists.

    Examples
    --------
    >>> n_lists_for(1_000_000), n_lists_for(10_000_000)
    (2048, 4096)
    """
    n_lists = 1
    while (
        n_lists < MOST_LISTS and n_lists * n_lists * 2 <= 4 * n_tracks
    ):  # the next power is nearer on a logarithmic scale
        n_lists *= 2
    return max(1, min(n_lists, n_tracks // 4))
