"""Benchmark of the index against hnswlib, usearch and voyager: speed, recall and size, on enlarged real vectors.

    python -m tests.benchmarks.index_speed --real CATALOGUE [--n 1000000] [--parts peers filter batch] [--json]

CATALOGUE is a catalogue's folder, a Parquet export or a .npy file. All search rates but those of `batch` are of one
thread, in CPU time. Each library is set to the least effort that reaches the recall on one half of the queries; what is
printed was measured on the other half. Peers that are not installed are left out (`pip install hnswlib usearch
voyager`). With --keep, vectors, true neighbours and what peers built are kept for the next run. `--parts large`
measures the index of the kind that its size calls for, alone.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.vector_index import VectorIndex
from index.vector_store import scan_blocks
from tests.benchmarks.enlarged import enlarged, real_vectors, structure
from tests.benchmarks.index_peers import PEERS, kept_peer

K = 10
SEED, QUERY_SEED = 1, 2
SELECTIVITIES = (0.0001, 0.001, 0.01, 0.1, 0.5, 1.0)
N_BATCH = 10_000
N_ROUNDS = 9
N_IN_TURN = 100  # queries to one library before the next has its turn

Row = dict[str, Any]


def main() -> None:
    """Measure, and print tables or JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, required=True, help="real vectors: catalogue folder, Parquet or .npy")
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--parts", nargs="+", default=["peers", "filter", "batch"])
    parser.add_argument("--queries", type=int, default=1000, help="to tune with, and as many to report")
    parser.add_argument("--recall", type=float, default=0.99)
    parser.add_argument("--kind", help="exact, inverted (what a service takes from 50,000 on) or compressed")
    parser.add_argument("--keep", type=Path, default=None, help="folder for vectors, truth and the peers' indexes")
    parser.add_argument("--peers", nargs="*", default=list(PEERS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    keep = options.keep = options.keep or Path(mkdtemp())
    real = real_vectors(options.real)
    vectors, queries = drawn(real, options.n, keep), drawn_queries(real, 2 * options.queries)
    truth(vectors, queries, keep)
    say(structure_rows(real), "structure", as_json=options.json)
    parts = dict.fromkeys(options.parts)
    if "batch" in parts:
        say(list(batched(vectors, queries)), "batch", as_json=options.json)
    if parts.keys() <= {"batch"}:
        return
    start = time.perf_counter()
    index = VectorIndex.build(
        [f"{row:012x}" for row in range(options.n)], vectors, kind=options.kind, recall=options.recall
    )
    build_s = time.perf_counter() - start
    made = index.describe()
    say([{**vars(made), "bytes a vector": made.n_bytes / options.n, "build_s": build_s}], "index", as_json=options.json)
    if "peers" in parts or "large" in parts:
        names = options.peers if "peers" in parts else []
        say(list(beside_peers(index, build_s, vectors, options, names)), "rates", as_json=options.json)
    if "filter" in parts:
        say(list(filtered(index, vectors, queries)), "filter", as_json=options.json)


def drawn(real: NDArray[np.float32], n: int, keep: Path) -> NDArray[np.float32]:
    """Enlarge the real vectors, into a file."""
    path = keep / f"vectors-{n}.npy"
    if not path.exists():
        temporary = path.with_suffix(".part.npy")
        file = np.lib.format.open_memmap(temporary, "w+", np.float32, (n, real.shape[1]))
        start = 0
        for block in enlarged(real, n, SEED):
            file[start : start + len(block)] = block
            start += len(block)
        file.flush()
        temporary.rename(path)
    return np.load(path, mmap_mode="r")


def drawn_queries(real: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Draw queries like the vectors: the first half to tune with, the other to report."""
    return next(enlarged(real, n, QUERY_SEED))


def truth(vectors: NDArray[np.float32], queries: NDArray[np.float32], keep: Path) -> NDArray[np.int64]:
    """Find the true neighbours by a scan: (n_queries, K)."""
    path = keep / f"truth-{len(vectors)}-{len(queries)}.npy"
    if not path.exists():
        blocks = (np.array(vectors[start : start + (1 << 18)]) for start in range(0, len(vectors), 1 << 18))
        np.save(path, scan_blocks(queries, blocks, K)[1])
    return np.load(path)


def structure_rows(real: NDArray[np.float32]) -> list[Row]:
    """Compare the real vectors with as many drawn ones."""
    like = next(enlarged(real, len(real), SEED))
    return [{"vectors": "real", **structure(real)}, {"vectors": "enlarged", **structure(like)}]


def recall_of(found: list[list[int]], near: NDArray[np.int64]) -> float:
    """recall_at_k, k = 10: the share of the true neighbours that were found."""
    return float(
        np.mean([len(set(mine[:K]) & set(true.tolist())) / len(true) for mine, true in zip(found, near, strict=True)])
    )


def timed(
    search: Callable[[NDArray[np.float32]], Any], queries: NDArray[np.float32]
) -> tuple[list[Any], NDArray[np.float64]]:
    """Ask one query at a time; gives the answers and the CPU seconds of each (waiting is not counted)."""
    answers, seconds = [], []
    for query in queries:
        start = time.thread_time()
        answers.append(search(query[np.newaxis]))
        seconds.append(time.thread_time() - start)
    return answers, np.array(seconds)


def beside_peers(
    index: VectorIndex, build_s: float, vectors: NDArray[np.float32], options: argparse.Namespace, names: list[str]
) -> Iterator[Row]:
    """Measure the rates of one thread at the asked recall: alone is one query a call, together all in one call."""
    faiss.omp_set_num_threads(1)
    keep, half = options.keep, options.queries
    queries = drawn_queries(real_vectors(options.real), 2 * half)
    near = truth(vectors, queries, keep)
    contenders = [Ours(index, build_s), *filter(None, (kept_peer(name, vectors, keep) for name in names))]
    for each in contenders:
        each.tune(
            lambda rows_of: recall_of([rows_of(q[np.newaxis]) for q in queries[:half]], near[:half]), options.recall
        )
    rounds = [asked_in_turns(contenders, queries[half:]) for _ in range(N_ROUNDS)]
    alone = np.array([[turns(seconds) for _, seconds in answered] for answered in rounds])
    alone = np.moveaxis(alone, 1, 0).reshape(len(contenders), -1)  # seconds a query, of every turn
    together = np.array([[timed_together(each, queries[half:]) for each in contenders] for _ in range(N_ROUNDS)])
    for place, each in enumerate(contenders):
        rates, times = 1 / alone[place], np.percentile(alone[place] / alone[0], [25, 50, 75])
        found = [each.rows_in(answer) for answer in rounds[-1][place][0]]
        yield {
            "library": each.name,
            "settings": each.settings,
            "recall@10": recall_of(found, near[half:]),
            "queries/s alone": float(np.median(rates)),
            "quarter of turns to three quarters": " to ".join(f"{rate:.0f}" for rate in np.percentile(rates, [25, 75])),
            "× our time": f"{times[1]:.2f} ({times[0]:.2f} to {times[2]:.2f})",
            "p50 ms": 1e3 * float(np.median(np.concatenate([answered[place][1] for answered in rounds]))),
            "queries/s together": half / float(np.median(together[:, place])),
            "build s": each.build_s,
            "bytes a vector": each.n_bytes / len(vectors),
        }
    faiss.omp_set_num_threads(2)


def asked_in_turns(contenders: list[Any], queries: NDArray[np.float32]) -> list[tuple[list[Any], NDArray[np.float64]]]:
    """Ask every library all queries, a few at a time, so that whatever else the machine does meets all alike."""
    parts: list[list[Any]] = [[] for _ in contenders]
    for start in range(0, len(queries), N_IN_TURN):
        for place, each in enumerate(contenders):
            parts[place].append(timed(each.search, queries[start : start + N_IN_TURN]))
    return [
        ([answer for answers, _ in mine for answer in answers], np.concatenate([seconds for _, seconds in mine]))
        for mine in parts
    ]


def turns(seconds: NDArray[np.float64]) -> list[float]:
    """Average the seconds of each turn: a median of turns leaves out those that another job cut into."""
    return [part.mean() for part in np.split(seconds, range(N_IN_TURN, len(seconds), N_IN_TURN))]


def timed_together(contender: Any, queries: NDArray[np.float32]) -> float:
    """Ask all queries in one call; CPU seconds."""
    start = time.thread_time()
    contender.search_many(queries, K)
    return time.thread_time() - start


class Ours:
    """The index under the face of a peer; it was tuned when it was built."""

    name = "ours"

    def __init__(self, index: VectorIndex, build_s: float) -> None:
        made = index.describe()
        self.index, self.build_s, self.n_bytes = index, build_s, made.n_bytes
        self.settings = f"{made.kind}, n_probe {made.n_probe} of {made.n_lists}, n_ranked {made.n_ranked}"
        self.search_many = index.search

    def tune(self, recall: Any, wanted: float) -> None:
        """Nothing to do."""

    def search(self, query: NDArray[np.float32]) -> Any:
        return self.index.search(query, K)

    def rows_in(self, answer: Any) -> list[int]:
        return [int(track_id, 16) for track_id, _ in answer[0]]


def filtered(index: VectorIndex, vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> Iterator[Row]:
    """Filter at several selectivities: tracks anywhere, and tracks of one region (those nearest to one vector)."""
    faiss.omp_set_num_threads(1)
    queries = queries[len(queries) // 2 :][:200]
    _, unfiltered = timed(lambda query: index.search(query, K), queries)
    yield {"filter": "none", "selectivity": 1.0, "p50 ms": 1e3 * float(np.median(unfiltered))}
    towards = np.concatenate(
        [vectors[start : start + (1 << 18)] @ vectors[0] for start in range(0, len(vectors), 1 << 18)]
    )
    for where in ("anywhere", "one region"):
        for selectivity in SELECTIVITIES:
            m = max(1, round(selectivity * len(vectors)))
            rows = np.random.default_rng(SEED).choice(len(vectors), m, replace=False)
            if where == "one region":
                rows = np.argpartition(-towards, m - 1)[:m]
            rows = np.sort(rows)
            ids = [f"{row:012x}" for row in rows]
            start = time.thread_time()
            subset = index.subset(ids)
            look_up_s = time.thread_time() - start
            answers, seconds = timed(
                lambda query, subset=subset: index.search(query, K, allowed_ids=subset)[0], queries
            )
            _, places = scan_blocks(
                queries, (np.array(vectors[rows[at : at + (1 << 18)]]) for at in range(0, m, 1 << 18)), K
            )
            found = [[int(track_id, 16) for track_id, _ in answer] for answer in answers]
            yield {
                "filter": where,
                "selectivity": selectivity,
                "recall@10": recall_of(found, rows[places]),
                "p50 ms": 1e3 * float(np.median(seconds)),
                "× unfiltered": float(np.median(seconds) / np.median(unfiltered)),
                "look-up ms, once a filter": 1e3 * look_up_s,
            }
    faiss.omp_set_num_threads(2)


def batched(vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> Iterator[Row]:
    """Exact search: many queries in one call beside one at a time, and what memory could deliver."""
    exact = VectorIndex.build([f"{row:012x}" for row in range(len(vectors))], np.array(vectors), kind="exact")
    many = np.concatenate([queries] * (N_BATCH // len(queries)))
    start = time.perf_counter()
    exact.search(many, K)
    together = len(many) / (time.perf_counter() - start)
    start = time.perf_counter()
    for query in queries[:50]:
        exact.search(query[np.newaxis], K)
    alone = 50 / (time.perf_counter() - start)
    source = np.array(vectors)
    start = time.perf_counter()
    for _ in range(5):
        source.view(np.uint64).max()
    read = 5 * source.nbytes / (time.perf_counter() - start)
    yield {
        "queries/s, 10,000 in one call": together,
        "queries/s alone": alone,
        "ratio": together / alone,
        "memory read GB/s, one thread": read / 1e9,
        "queries/s if memory were the limit": read / source.nbytes,
        "alone, share of that": alone * source.nbytes / read,
        "together, GFLOP/s": together * 2 * source.size / 1e9,
    }


def say(rows: list[Row], title: str, *, as_json: bool) -> None:
    """Print rows as JSON lines, or as a table in Markdown."""
    if as_json:
        for row in rows:
            print(json.dumps({"table": title, **row}), flush=True)
        return
    heads = list(dict.fromkeys(head for row in rows for head in row))
    print(f"\n**{title}**\n\n| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for row in rows:
        print(
            "| "
            + " | ".join(f"{v:.4g}" if isinstance(v := row.get(head, ""), float) else str(v) for head in heads)
            + " |",
            flush=True,
        )


if __name__ == "__main__":
    main()
