"""The map of a catalogue: a point in the plane for each track, laid out once and kept beside the catalogue.

The rule kept: a map is known by the model and by the catalogue's `vectors_stamp`, in the name of its file. When the
catalogue has changed a little, tracks keep their places, and a new one is put among those that it sounds like; when it
has changed much, all are laid out anew. So a map does not jump while someone looks at it.
"""

import io
import logging
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from audio_engine.atomic_files import whole_file
from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.embedding.models import Models
from audio_engine.search.projection import SEED, Projection, installed, project, project_by_pca
from index.vector_index import VectorIndex

logger = logging.getLogger(__name__)

N_UMAP = 20_000  # tracks that UMAP lays out, in half a minute once compiled; the others are put among them
N_ANCHORS = 5  # tracks among which another one is put
MAY_BE_NEW = 0.2  # share of tracks that may be put among the others before all are laid out anew
NEAR = 0.01  # cosine distance below which an anchor pulls no harder


@dataclass(frozen=True, kw_only=True, eq=False)
class CatalogueMap:
    """Where each track lies in the plane."""

    track_ids: NDArray[np.str_]  # (n,), rising
    xy: NDArray[np.float32]  # (n, 2), from -1 to 1 when they were laid out
    projection: Projection  # how they were laid out
    is_settled: NDArray[np.bool_]  # (n,), false for tracks that came after all were laid out
    prints: NDArray[np.uint32]  # (n,), a checksum of each vector: tells which have changed

    def rows(self, track_ids: NDArray[np.str_]) -> NDArray[np.int64]:
        """Say in which row each of some tracks lies, -1 for those that have none."""
        if not len(self.track_ids):
            return np.full(len(track_ids), -1)
        at = np.searchsorted(self.track_ids, track_ids).clip(max=len(self.track_ids) - 1)
        return np.where(self.track_ids[at] == track_ids, at, -1)


class MapCache:
    """The map of one catalogue; threads may share it."""

    def __init__(self, catalogue: Catalogue, models: Models) -> None:
        self._catalogue, self._models = catalogue, models
        self._directory = catalogue.path.parent
        self._held: tuple[str, CatalogueMap] | None = None  # with the name of its file
        self._drafted: tuple[str, CatalogueMap] | None = None  # likewise
        self._making, self._drafting = threading.Lock(), threading.Lock()

    def current(self) -> CatalogueMap:
        """Give the map of the catalogue as it is now; the one before may come while another thread makes it."""
        held = self._held
        if held is not None and held[0] == self._name(self._catalogue.vectors_stamp):
            return held[1]
        if not self._making.acquire(blocking=held is None) and held is not None:
            return held[1]
        try:
            self._held = held = self._made()
            self._drafted = None
            return held[1]
        finally:
            self._making.release()

    def draft(self) -> CatalogueMap:
        """Give what can be shown while the map is made: the one before, or a projection by PCA, which takes no time."""
        if self._held is not None:
            return self._held[1]
        with self._drafting:
            if self._drafted is None or self._drafted[0] != self._name(self._catalogue.vectors_stamp):
                stamp, track_ids, vectors = self._catalogue.stamped_vectors(self._models.active_id)
                self._drafted = self._name(stamp), drafted(np.array(track_ids, np.str_), vectors)
            return self._drafted[1]

    def _made(self) -> tuple[str, CatalogueMap]:
        """Load the map, or make it of the one before, or anew."""
        name = self._name(self._catalogue.vectors_stamp)
        before = self._held or self._newest()
        if before is not None and before[0] == name:
            return before
        stamp, track_ids, vectors = self._catalogue.stamped_vectors(self._models.active_id)
        name = self._name(stamp)
        made = brought_up(before and before[1], np.array(track_ids, np.str_), vectors)
        self._save(made, name)
        return name, made

    def _name(self, stamp: str) -> str:
        """Name the file of a map: another model, other vectors or another projection go by another name."""
        return f"map-{installed()}-{self._models.active_id}-{stamp}.npz"

    def _newest(self) -> tuple[str, CatalogueMap] | None:
        """Load the map that was kept last; None where there is none that is whole."""
        try:
            file = max(self._directory.glob(self._name("*")), key=lambda file: file.stat().st_mtime_ns, default=None)
            return (file.name, load_map(file)) if file else None
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            logger.warning("map is made again: the one before is damaged: %s", error)
            return None

    def _save(self, made: CatalogueMap, name: str) -> None:
        """Keep a map in place of the older ones; a full disk costs the file, not the answer."""
        try:
            save_map(made, self._directory / name)
            for file in self._directory.glob("map-*.npz"):
                if file.name != name:
                    file.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("map is not kept: %s", error)


def brought_up(before: CatalogueMap | None, track_ids: NDArray[np.str_], vectors: NDArray[np.float32]) -> CatalogueMap:
    """Make the map of some tracks: of the one before where most tracks are as they were, else anew.

    Parameters
    ----------
    before
        The map to go on from.
    track_ids : (n,)
        Rising.
    vectors : (n, dim)
        Unit length.
    """
    prints = np.array([zlib.crc32(vector.tobytes()) for vector in vectors], np.uint32)
    if before is not None:
        rows = before.rows(track_ids)
        is_known = (rows >= 0) & (np.append(before.prints, 0)[rows] == prints)
        is_settled = is_known & np.append(before.is_settled, False)[rows]
        if is_known.any() and (~is_settled).sum() <= MAY_BE_NEW * len(track_ids):
            xy = np.zeros((len(track_ids), 2), np.float32)
            xy[is_known] = before.xy[rows[is_known]]
            xy[~is_known] = placed(vectors[~is_known], vectors[is_known], xy[is_known])
            return CatalogueMap(
                track_ids=track_ids, xy=xy, projection=before.projection, is_settled=is_settled, prints=prints
            )
    xy, projection = laid_out(vectors)
    is_settled = np.ones(len(track_ids), np.bool_)
    return CatalogueMap(track_ids=track_ids, xy=xy, projection=projection, is_settled=is_settled, prints=prints)


def drafted(track_ids: NDArray[np.str_], vectors: NDArray[np.float32]) -> CatalogueMap:
    """Make a map that is shown until a better one is made; it is never kept, and no track is settled on it."""
    return CatalogueMap(
        track_ids=track_ids,
        xy=project_by_pca(vectors),
        projection="pca",
        is_settled=np.zeros(len(track_ids), np.bool_),
        prints=np.zeros(len(track_ids), np.uint32),
    )


def laid_out(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], Projection]:
    """Lay out tracks (n, dim) in the plane (n, 2), of very many a sample first, and the others among these."""
    if len(vectors) <= N_UMAP or installed() == "pca":
        return project(vectors)
    is_first = np.zeros(len(vectors), np.bool_)
    is_first[np.random.default_rng(SEED).choice(len(vectors), N_UMAP, replace=False)] = True
    xy = np.zeros((len(vectors), 2), np.float32)
    xy[is_first], projection = project(vectors[is_first])
    xy[~is_first] = placed(vectors[~is_first], vectors[is_first], xy[is_first])
    return xy, projection


def placed(
    vectors: NDArray[np.float32], anchors: NDArray[np.float32], anchors_xy: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Put tracks (n, dim) at the mean of the places of their nearest anchors, the nearer the heavier: (n, 2)."""
    if not len(vectors):
        return np.zeros((0, 2), np.float32)
    names = [f"{row:08d}" for row in range(len(anchors))]
    found = VectorIndex.build(names, anchors, kind="exact").search(vectors, N_ANCHORS)
    xy = np.zeros((len(vectors), 2), np.float32)
    for row, hits in enumerate(found):
        weights = [1.0 / max(NEAR, 1.0 - similarity) for _, similarity in hits]
        xy[row] = np.average(anchors_xy[[int(name) for name, _ in hits]], axis=0, weights=weights)
    return xy


def save_map(made: CatalogueMap, path: Path) -> None:
    """Write a map to a file (npz), whole or not at all."""
    arrays = {name: getattr(made, name) for name in ("track_ids", "xy", "is_settled", "prints")}
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays, projection=np.array(made.projection))


def load_map(path: Path) -> CatalogueMap:
    """Read a map from a file.

    Raises
    ------
    OSError, ValueError, KeyError, EOFError, BadZipFile
        When it is no such file, or is damaged.
    """
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
        projection: Projection = "umap" if str(file["projection"]) == "umap" else "pca"
        return CatalogueMap(
            track_ids=file["track_ids"],
            xy=file["xy"],
            projection=projection,
            is_settled=file["is_settled"],
            prints=file["prints"],
        )
