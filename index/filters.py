"""Search filters: the track ids that may be ranked, resolved to rows of a store."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.building import Store
from index.track_ids import GONE, TrackIds
from index.vector_store import RowSubset


@dataclass(frozen=True, kw_only=True)
class Subset:
    """A filter resolved once and used for many searches: see `VectorIndex.subset`."""

    track_ids: tuple[str, ...]
    rows: RowSubset
    version: int  # of the index's contents when the filter was resolved


Filter = Subset | Collection[str] | NDArray[np.bool_]


def look_up(track_ids: Collection[str], *, ids: TrackIds, store: Store, version: int) -> Subset:
    """Find the rows of the tracks that a filter allows; unknown ids are ignored."""
    if isinstance(track_ids, str):
        raise ValueError(f"allowed_ids must be a collection of track ids, got the text {track_ids!r}")
    allowed = tuple(track_ids)
    rows = ids.rows_of(allowed)
    return Subset(track_ids=allowed, rows=store.subset(np.unique(rows[rows != GONE])), version=version)


def let_through(allowed_ids: Filter, *, ids: TrackIds, store: Store, version: int) -> RowSubset:
    """Find the rows that any kind of filter allows; a subset of an older version is resolved again."""
    if isinstance(allowed_ids, np.ndarray):
        if allowed_ids.shape != (len(ids),) or allowed_ids.dtype != np.bool_:
            got = f"{allowed_ids.dtype} of shape {allowed_ids.shape}"
            raise ValueError(f"allowed_ids must be {len(ids)} booleans, got {got}")
        return store.subset(np.flatnonzero(allowed_ids))
    if isinstance(allowed_ids, Subset):
        if allowed_ids.version == version:
            return allowed_ids.rows
        allowed_ids = allowed_ids.track_ids
    return look_up(allowed_ids, ids=ids, store=store, version=version).rows
