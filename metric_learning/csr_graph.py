"""Weighted directed graphs in memory-mapped arrays: built out of core, sampled and walked by weight.

The edges of a node lie together (compressed sparse rows). Their weights are kept as one running sum, so that drawing an
edge by its weight is a binary search: it needs no alias tables, and touches a few pages of the file only.

References
----------
B. Perozzi, R. Al-Rfou, S. Skiena, DeepWalk: online learning of social representations, KDD 2014, algorithm 2: truncated
random walks; by weight as in J. Wang et al., Billion-scale commodity embedding for e-commerce recommendation in
Alibaba, KDD 2018, eq. 2.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

NOBODY = -1  # stands where a node has no neighbour, or a walk has ended
EDGES_TOGETHER = 1 << 21  # that are sorted in memory at a time

Nodes = NDArray[np.integer]
EdgeBlocks = Callable[[], Iterable[tuple[Nodes, Nodes]]]


@dataclass(frozen=True, kw_only=True, eq=False)
class CsrGraph:
    """A graph, each edge once, with a whole number as its weight."""

    starts: NDArray[np.int64]  # (n_nodes + 1,) where the edges of each node begin
    targets: NDArray[np.int32]  # (n_edges,) where each edge leads, in order for each node
    totals: NDArray[np.int64]  # (n_edges,) sum of the weights of all edges up to this one

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.starts) - 1

    def has_neighbours(self) -> NDArray[np.bool_]:
        """Tell which nodes an edge leaves: (n_nodes,)."""
        return np.asarray(np.diff(self.starts) > 0)

    def weights_in(self) -> NDArray[np.int64]:
        """Sum the weights of the edges that lead to each node: (n_nodes,)."""
        found = np.zeros(self.n_nodes, np.int64)
        for first in range(0, len(self.targets), EDGES_TOGETHER):
            last = first + EDGES_TOGETHER
            before = int(self.totals[first - 1]) if first else 0
            weights = np.diff(self.totals[first:last], prepend=before)
            found += np.bincount(self.targets[first:last], weights, self.n_nodes).astype(np.int64)
        return found


def build_graph(edges: EdgeBlocks, n_nodes: int, folder: Path) -> CsrGraph:
    """Build a graph from edges that are given block by block, twice; equal ones become one, weighted by their number.

    Parameters
    ----------
    edges
        Called twice; gives blocks of edges, (from, to), each (n,), numbers below `n_nodes`.
    n_nodes
        Number of nodes.
    folder
        Where the arrays are kept: 12 bytes an edge, and 4 more while it is built. Memory holds 16 bytes a node, a block
        of edges, and `EDGES_TOGETHER` of them to sort (more where a single node has more).

    Returns
    -------
    graph
        Memory-mapped.
    """
    n_leaving = np.zeros(n_nodes, np.int64)
    for sources, _ in edges():
        n_leaving += np.bincount(sources, minlength=n_nodes)
    loose = np.concatenate([[0], np.cumsum(n_leaving)])
    if not loose[-1]:
        nothing = np.zeros(0, np.int64)
        return CsrGraph(starts=loose, targets=nothing.astype(np.int32), totals=nothing)
    unsorted = folder / "unsorted.int32"
    scattered = np.memmap(unsorted, np.int32, "w+", shape=(int(loose[-1]),))
    free = loose[:-1].copy()
    for sources, targets in edges():
        order = np.argsort(sources, kind="stable")
        nodes, counts = np.unique(sources, return_counts=True)
        scattered[np.repeat(free[nodes] - (np.cumsum(counts) - counts), counts) + np.arange(len(order))] = targets[
            order
        ]
        free[nodes] += counts
    graph = _merged(scattered, loose, folder)
    del scattered
    unsorted.unlink()
    return graph


def sample_neighbours(graph: CsrGraph, nodes: Nodes, n: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Draw neighbours of nodes by the weights of the edges, with replacement.

    Parameters
    ----------
    graph
        With the edges.
    nodes : shape
        Whose neighbours are drawn; `NOBODY` has none.
    n
        For each.
    rng
        Source of chance.

    Returns
    -------
    neighbours : shape + (n,)
        `NOBODY` for a node that no edge leaves.
    """
    found = np.full((nodes.size, n), NOBODY, np.int32)
    flat = np.asarray(nodes).ravel()
    known = np.flatnonzero(flat >= 0)
    known = known[graph.starts[flat[known] + 1] > graph.starts[flat[known]]]
    if len(known):
        first, last = graph.starts[flat[known]], graph.starts[flat[known] + 1] - 1
        low = np.where(first > 0, graph.totals[np.maximum(first - 1, 0)], 0)
        drawn = rng.integers(low[:, None], graph.totals[last][:, None], size=(len(known), n))
        found[known] = graph.targets[np.searchsorted(graph.totals, drawn.ravel(), side="right")].reshape(-1, n)
    return found.reshape(*np.shape(nodes), n)


def sample_hops(
    graph: CsrGraph, nodes: Nodes, fanouts: Sequence[int], rng: np.random.Generator
) -> list[NDArray[np.integer]]:
    """Draw neighbours, and theirs: nodes (n,), then (n, fanout), then (n, fanout, fanout), and so on."""
    hops: list[NDArray[np.integer]] = [np.asarray(nodes)]
    for fanout in fanouts:
        hops.append(sample_neighbours(graph, hops[-1], fanout, rng))
    return hops


def random_walks(graph: CsrGraph, first: Nodes, n_steps: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Walk from nodes along edges, drawn by their weights.

    Returns
    -------
    walks : (n, n_steps + 1)
        `NOBODY` where a walk has come to a node that no edge leaves.
    """
    walks = np.empty((len(first), n_steps + 1), np.int32)
    walks[:, 0] = first
    for step in range(n_steps):
        walks[:, step + 1] = sample_neighbours(graph, walks[:, step], 1, rng)[:, 0]
    return walks


def walk_pairs(walks: NDArray[np.int32], window: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """List the pairs of different nodes that are at most a window apart in a walk, in both directions.

    Returns
    -------
    centres, contexts : (n_pairs,)
    """
    pairs = [(walks[:, :-gap].ravel(), walks[:, gap:].ravel()) for gap in range(1, min(window + 1, walks.shape[1]))]
    one, other = (np.concatenate(side) for side in zip(*pairs, strict=True))
    kept = (one >= 0) & (other >= 0) & (one != other)
    return np.concatenate([one[kept], other[kept]]), np.concatenate([other[kept], one[kept]])


def _merged(scattered: NDArray[np.int32], loose: NDArray[np.int64], folder: Path) -> CsrGraph:
    """Sort the edges of each node, count equal ones, and write them to files."""
    n_nodes, total = len(loose) - 1, 0
    n_kept = np.zeros(n_nodes, np.int64)
    files = folder / "targets.int32", folder / "totals.int64"
    with files[0].open("wb") as targets, files[1].open("wb") as totals:
        for first, last in _node_blocks(loose):
            part = np.asarray(scattered[loose[first] : loose[last]], np.int64)
            sources = np.repeat(np.arange(last - first), np.diff(loose[first : last + 1]))
            keys, weights = np.unique(sources * n_nodes + part, return_counts=True)
            n_kept[first:last] = np.bincount(keys // n_nodes, minlength=last - first)
            running = total + np.cumsum(weights, dtype=np.int64)
            total = int(running[-1]) if len(running) else total
            targets.write((keys % n_nodes).astype(np.int32).tobytes())
            totals.write(running.tobytes())
    return CsrGraph(
        starts=np.concatenate([[0], np.cumsum(n_kept)]),
        targets=np.memmap(files[0], np.int32, "r"),
        totals=np.memmap(files[1], np.int64, "r"),
    )


def _node_blocks(starts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Cut nodes into blocks of about `EDGES_TOGETHER` edges, at least one node each."""
    first, n_nodes = 0, len(starts) - 1
    while first < n_nodes:
        last = int(np.searchsorted(starts, starts[first] + EDGES_TOGETHER, side="right")) - 1
        last = min(max(last, first + 1), n_nodes)
        yield first, last
        first = last
