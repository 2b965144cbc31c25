"""A common interface to hnswlib, usearch and voyager, for `tests.benchmarks.index_speed`.

Their own defaults are used unless said.
"""

import importlib.util
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

EFFORTS = (16, 24, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 1024)
N_BUILDERS = 2  # threads that build; one searches


class Hnswlib:
    """hnswlib: M 16, ef_construction 200."""

    settings = "M 16, ef_construction 200"

    def __init__(self, dim: int, n: int) -> None:
        import hnswlib  # noqa: PLC0415

        self.index = hnswlib.Index("ip", dim)
        self.n = n

    def build(self, vectors: NDArray[np.float32]) -> None:
        self.index.init_index(self.n, M=16, ef_construction=200)
        self.index.add_items(vectors, num_threads=N_BUILDERS)

    def load(self, path: str) -> None:
        self.index.load_index(path, max_elements=self.n)

    def save(self, path: str) -> None:
        self.index.save_index(path)

    def set_effort(self, effort: int) -> None:
        self.index.set_ef(effort)

    def search_many(self, queries: NDArray[np.float32], k: int) -> NDArray[Any]:
        return self.index.knn_query(queries, k, num_threads=1)[0]


class Usearch:
    """usearch: float32, connectivity 16, expansion_add 128."""

    settings = "connectivity 16, expansion_add 128, f32"

    def __init__(self, dim: int, n: int) -> None:
        from usearch.index import Index  # noqa: PLC0415

        self.index = Index(ndim=dim, metric="ip", dtype="f32")

    def build(self, vectors: NDArray[np.float32]) -> None:
        self.index.add(np.arange(len(vectors)), vectors, threads=N_BUILDERS)

    def load(self, path: str) -> None:
        self.index.load(path)

    def save(self, path: str) -> None:
        self.index.save(path)

    def set_effort(self, effort: int) -> None:
        self.index.expansion_search = effort

    def search_many(self, queries: NDArray[np.float32], k: int) -> NDArray[Any]:
        return self.index.search(queries, k, threads=1).keys.reshape(len(queries), -1)


class Voyager:
    """voyager: M 12, ef_construction 200."""

    settings = "M 12, ef_construction 200"

    def __init__(self, dim: int, n: int) -> None:
        import voyager  # noqa: PLC0415

        self.index = voyager.Index(voyager.Space.InnerProduct, dim)
        self.effort = 10

    def build(self, vectors: NDArray[np.float32]) -> None:
        self.index.add_items(vectors, num_threads=N_BUILDERS)

    def load(self, path: str) -> None:
        import voyager  # noqa: PLC0415

        self.index = voyager.Index.load(path)

    def save(self, path: str) -> None:
        self.index.save(path)

    def set_effort(self, effort: int) -> None:
        self.effort = effort

    def search_many(self, queries: NDArray[np.float32], k: int) -> NDArray[Any]:
        return self.index.query(queries, k, num_threads=1, query_ef=self.effort)[0]


PEERS = {"hnswlib": Hnswlib, "usearch": Usearch, "voyager": Voyager}


class Peer:
    """A library with an index that is built."""

    def __init__(self, name: str, library: Any, *, build_s: float, n_bytes: int) -> None:
        self.name, self._library = name, library
        self.settings, self.build_s, self.n_bytes = library.settings, build_s, n_bytes
        self.search_many = library.search_many

    def search(self, query: NDArray[np.float32]) -> Any:
        return self._library.search_many(query, 10)

    def rows_in(self, answer: Any) -> list[int]:
        return answer[0].tolist()

    def tune(self, recall: Callable[[Callable[[NDArray[np.float32]], list[int]]], float], wanted: float) -> None:
        """Set the least ef that reaches a recall."""
        for effort in EFFORTS:
            self._library.set_effort(effort)
            if recall(lambda query: self.rows_in(self.search(query))) >= wanted:
                break
        self.settings = f"{self._library.settings}, ef {effort}"


def kept_peer(name: str, vectors: NDArray[np.float32], keep: Path) -> Peer | None:
    """Build a peer's index, or take the one that an earlier run kept; None where the library is not installed."""
    if importlib.util.find_spec(name) is None:
        return None
    library = PEERS[name](vectors.shape[1], len(vectors))
    path = keep / f"{name}-{len(vectors)}.bin"
    if path.exists():
        library.load(str(path))
        return Peer(name, library, **json.loads(path.with_suffix(".json").read_text()))
    start = time.perf_counter()
    library.build(np.array(vectors))
    build_s = time.perf_counter() - start
    library.save(str(path))
    made = {"build_s": build_s, "n_bytes": path.stat().st_size}
    path.with_suffix(".json").write_text(json.dumps(made))
    return Peer(name, library, **made)
