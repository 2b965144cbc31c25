"""Vector index on Milvus, for catalogues beyond one machine: a server (or a file) holds the vectors and searches them.

Sharding, replication and balancing are left to Milvus. Filters are passed to it as expressions over track ids.
Similarities are recomputed in double precision from the vectors that Milvus returns, as in `VectorIndex`.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from index.exact import TIE_TOLERANCE
from index.kinds import IndexDescription
from index.ranking import Hits
from index.validation import check_k, check_new, check_unit
from index.vector_store import SPARE

MAX_ID_BYTES = 256  # of a track id
MAX_CANDIDATES = 16_384  # the most that Milvus returns for a query
WRITE_BLOCK = 10_000  # tracks sent at a time: 1.6 MB at 40 numbers, where Milvus takes 64 MB
FILTER_BLOCK = 10_000  # track ids in one expression


class MilvusIndex:
    """An index in a collection of a Milvus server; any number of clients may use it at once.

    Use `MilvusIndex.open` or `MilvusIndex.build`; the search, add and remove of `VectorIndex`, with these differences:
    a change is atomic on each shard, not across shards; a filter is a collection of ids, never a mask; there is no
    `save`, since Milvus persists the vectors.

    Parameters
    ----------
    client
        A ``pymilvus.MilvusClient``.
    collection
        The name of an existing collection.
    """

    def __init__(self, client: Any, collection: str) -> None:
        self._client = client
        self._collection = collection
        fields = client.describe_collection(collection)["fields"]
        self.dim = int(next(field["params"]["dim"] for field in fields if field["name"] == "vector"))

    @classmethod
    def open(
        cls, uri: str, *, dim: int, collection: str = "tracks", token: str = "", index_type: str = "AUTOINDEX"
    ) -> Self:
        """Connect to a collection, creating it if missing.

        Parameters
        ----------
        uri
            The server's address (``http://host:19530``), or a file ending in ``.db`` for the embedded Milvus Lite.
        dim
            Numbers in a vector.
        collection
            Its name.
        token
            ``user:password`` if the server asks for it.
        index_type
            The index type of a new collection: ``FLAT`` is exact, ``AUTOINDEX`` lets Milvus choose.

        Raises
        ------
        ValueError
            When the collection holds vectors of a different dim.
        ModuleNotFoundError
            When pymilvus is not installed.
        """
        client = _connect(uri, token)
        if not client.has_collection(collection):
            _create(client, collection, dim=dim, index_type=index_type)
        index = cls(client, collection)
        if index.dim != dim:
            raise ValueError(f"dim must be that of the collection {collection!r}, {index.dim}, got {dim}")
        return index

    @classmethod
    def build(  # noqa: PLR0913  (as `open`)
        cls,
        track_ids: Sequence[str],
        vectors: NDArray[np.float32],
        *,
        uri: str,
        collection: str = "tracks",
        token: str = "",
        index_type: str = "AUTOINDEX",
    ) -> Self:
        """Fill a collection that is new or empty; parameters as `VectorIndex.build` and `open` have them."""
        if vectors.ndim != 2:
            raise ValueError(f"vectors must have shape (n_tracks, dim), got {vectors.shape}")
        index = cls.open(uri, dim=vectors.shape[1], collection=collection, token=token, index_type=index_type)
        if len(index):
            raise ValueError(f"collection {collection!r} must be new or empty, got {len(index)} tracks in it")
        index.add(track_ids, vectors)
        return index

    def close(self) -> None:
        """Disconnect."""
        self._client.close()

    def __len__(self) -> int:
        return int(self._client.query(self._collection, filter="", output_fields=["count(*)"])[0]["count(*)"])

    def __contains__(self, track_id: object) -> bool:
        return isinstance(track_id, str) and bool(self._held([track_id]))

    def add(self, track_ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Add tracks that the index does not hold yet; as `VectorIndex.add`, for ids of at most 256 printable bytes."""
        vectors = check_unit(vectors, dim=self.dim, name="vectors")
        check_new(track_ids, len(vectors))
        for track_id in track_ids:
            if not track_id or not track_id.isprintable() or len(track_id.encode()) > MAX_ID_BYTES:
                raise ValueError(f"track_id must be 1 to {MAX_ID_BYTES} printable bytes, got {track_id!r}")
        if known := self._held(track_ids):
            raise ValueError(f"track_ids must be new to the index, got {min(known)!r} (remove it first?)")
        for start in range(0, len(track_ids), WRITE_BLOCK):
            part = zip(track_ids[start : start + WRITE_BLOCK], vectors[start : start + WRITE_BLOCK], strict=True)
            self._client.insert(
                self._collection, [{"track_id": track_id, "vector": vector} for track_id, vector in part]
            )

    def remove(self, track_ids: Sequence[str]) -> None:
        """Remove tracks; as `VectorIndex.remove`."""
        self._check_held(track_ids)
        for part in _parts([*dict.fromkeys(track_ids)], WRITE_BLOCK):
            self._client.delete(self._collection, ids=part)

    def vectors(self, track_ids: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of tracks; as `VectorIndex.vectors`."""
        self._check_held(track_ids)
        vectors = {track["track_id"]: track["vector"] for track in self._get(track_ids, ["track_id", "vector"])}
        return np.array([vectors[track_id] for track_id in track_ids], dtype=np.float32).reshape(-1, self.dim)

    def search(self, queries: NDArray[np.float32], k: int, allowed_ids: Collection[str] | None = None) -> list[Hits]:
        """Find the tracks nearest to each query; as `VectorIndex.search`.

        Parameters
        ----------
        queries : (n_queries, dim)
            Of unit length.
        k
            Number of neighbours, at most 16,376.
        allowed_ids
            Rank only these tracks.
        """
        check_k(k)
        if k + SPARE > MAX_CANDIDATES:
            raise ValueError(f"k must be at most {MAX_CANDIDATES - SPARE} on Milvus, got {k}")
        queries = check_unit(queries, dim=self.dim, name="queries")
        expressions = (
            [""] if allowed_ids is None else [_any_of(part) for part in _parts([*set(allowed_ids)], FILTER_BLOCK)]
        )
        if not len(queries) or not expressions:
            return [[] for _ in queries]
        found = [self._candidates(queries, k, expression) for expression in expressions]
        return [_ranked(query, [hit for part in found for hit in part[n]], k) for n, query in enumerate(queries)]

    def describe(self) -> IndexDescription:
        """Describe the index; Milvus reports neither its bytes nor its recall."""
        return IndexDescription(kind="milvus", n_tracks=len(self), dim=self.dim, n_bytes=0, index_recall=float("nan"))

    def _candidates(self, queries: NDArray[np.float32], k: int, expression: str) -> list[list[dict[str, Any]]]:
        """Fetch candidates that contain the k nearest of every query, and any that may tie with the k-th."""
        n_wanted = k + SPARE
        while True:
            found = self._client.search(
                self._collection, data=[*queries], limit=n_wanted, filter=expression, output_fields=["vector"]
            )
            is_open = (
                len(hits) == n_wanted and hits[-1]["distance"] >= hits[k - 1]["distance"] - TIE_TOLERANCE
                for hits in found
            )
            if n_wanted == MAX_CANDIDATES or not any(is_open):
                return [list(hits) for hits in found]
            n_wanted = min(2 * n_wanted, MAX_CANDIDATES)

    def _get(self, track_ids: Sequence[str], fields: list[str]) -> Iterator[dict[str, Any]]:
        for part in _parts([*dict.fromkeys(track_ids)], WRITE_BLOCK):
            yield from self._client.get(self._collection, ids=part, output_fields=fields)

    def _held(self, track_ids: Sequence[str]) -> set[str]:
        """Return which of these tracks the collection holds."""
        return {track["track_id"] for track in self._get(track_ids, ["track_id"])}

    def _check_held(self, track_ids: Sequence[str]) -> None:
        held = self._held(track_ids)
        for track_id in track_ids:
            if track_id not in held:
                raise LookupError(f"track_id must be in the index, got {track_id!r}")


def _connect(uri: str, token: str) -> Any:
    """Open a client."""
    try:
        from pymilvus import MilvusClient  # noqa: PLC0415  (an extra)
    except ModuleNotFoundError as error:
        message = "pymilvus is not installed: pip install 'audio-content-engine[milvus]'"
        raise ModuleNotFoundError(message, name=error.name) from error
    return MilvusClient(uri, token=token)


def _create(client: Any, collection: str, *, dim: int, index_type: str) -> None:
    """Create a collection whose searches see all earlier writes."""
    from pymilvus import DataType  # noqa: PLC0415

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("track_id", DataType.VARCHAR, is_primary=True, max_length=MAX_ID_BYTES)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    how = client.prepare_index_params()
    how.add_index("vector", index_type=index_type, metric_type="IP")
    client.create_collection(collection, schema=schema, index_params=how, consistency_level="Strong")


def _ranked(query: NDArray[np.float32], candidates: list[dict[str, Any]], k: int) -> Hits:
    """Keep the k best candidates, ties in the order of their ids."""
    if not candidates:
        return []
    vectors = np.array([hit["entity"]["vector"] for hit in candidates], dtype=np.float32)
    similarities = np.clip((vectors * query.astype(np.float64)).sum(axis=1), -1.0, 1.0).tolist()
    hits = zip((hit["track_id"] for hit in candidates), similarities, strict=True)
    return sorted(hits, key=lambda hit: (-hit[1], hit[0]))[:k]


def _parts(track_ids: list[str], n: int) -> list[list[str]]:
    return [track_ids[start : start + n] for start in range(0, len(track_ids), n)]


def _any_of(track_ids: list[str]) -> str:
    """Write a filter expression that allows these tracks."""
    return f"track_id in {json.dumps(track_ids, ensure_ascii=False)}"
