"""A store with its track ids as an index file, and back."""

from dataclasses import asdict
from pathlib import Path

from index.building import Store
from index.exact import ExactScan
from index.files import read_index, write_index
from index.inverted import InvertedLists
from index.kinds import IndexDescription
from index.track_ids import TrackIds
from index.vector_store import Rows


def save_store(path: Path, store: Store, ids: TrackIds, made: IndexDescription) -> None:
    """Write a store, whose lists are up to date (`InvertedLists.settle`), its ids and its description, atomically."""
    names, order = ids.arrays()
    arrays, n_spare = {"track_ids": names, "order": order}, {}
    if store.exact is not None:
        arrays["vectors"], n_spare["vectors"] = store.exact.matrix, store.exact.n_spare
    lists = store.faiss_index if isinstance(store, InvertedLists) else None
    write_index(path, description=asdict(made), arrays=arrays, n_spare=n_spare, lists=lists)


def load_store(path: Path) -> tuple[Store, TrackIds, IndexDescription]:
    """Map what `save_store` wrote, validated in full; raises as `read_index`."""
    file = read_index(path)
    made = IndexDescription(**file.description)
    exact = Rows(file.arrays["vectors"], made.n_tracks) if "vectors" in file.arrays else None
    store = ExactScan(exact) if exact is not None and file.lists is None else None
    ids = TrackIds(file.arrays["track_ids"], file.arrays["order"])
    return store or InvertedLists(file.lists, exact, n_ranked=made.n_ranked, is_mapped=True), ids, made
