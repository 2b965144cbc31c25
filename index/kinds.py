"""Index kinds: which kind suits how many vectors, and the description of an index.

The thresholds were measured with ``python -m tests.benchmarks.index_speed``; docs/experiments/index_speed.md has the
tables.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["exact", "inverted", "compressed"]

EXACT_BELOW = 200_000  # vectors: below this, a full scan takes about 2 ms on one thread and is exact
COMPRESSED_FROM = 10_000_000  # vectors: from this many, the exact vectors, 160 bytes each, are not kept
MOST_LISTS = 4096
FOUR_BITS_FROM = 50_000  # vectors: from this many, 4-bit codes are found faster than 16-bit floats


@dataclass(frozen=True, kw_only=True)
class IndexDescription:
    """The kind, size and quality of an index."""

    kind: Kind
    n_tracks: int
    dim: int
    n_bytes: int  # memory or mapped file: vectors, lists and track ids
    n_lists: int | None = None  # None where all vectors are compared
    n_probe: int | None = None  # lists scanned per query
    n_ranked: int = 1  # candidates from the lists that are ranked, for each neighbour asked for
    index_recall: float = 1.0  # share of the true `recall_k` nearest that is found; measured at build time
    recall_k: int = 10
    n_recall_queries: int = 0  # sampled tracks it was measured on; 0 where recall is 1 by construction
    n_changed: int = 0  # tracks added or removed since the build: when many, build again


def check_kind(kind: Kind) -> Kind:
    """Validate the name of a kind and return it.

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
    """Choose how many lists: the power of two nearest to 2 √n, so that finding and reading lists cost the same.

    At most 4096, since assigning n vectors costs n times the number of lists.

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
