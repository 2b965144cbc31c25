"""The public face: open a catalogue, embed folders into it, ask it what sounds like what.

The command line, the service and a notebook all call these functions.
"""

import os
from collections.abc import Generator
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
import platformdirs
from numpy.typing import NDArray

from audio_engine.catalogue import Catalogue, Track
from audio_engine.embedding import EmbedResult, embed_plan
from audio_engine.errors import UnknownTrackError
from audio_engine.export import export_parquet
from audio_engine.info import Info, sum_up
from audio_engine.models import Models
from audio_engine.neighbours import Neighbour, find_neighbours
from audio_engine.plan import EmbedPlan, plan_failed, plan_folders, plan_known
from audio_engine.playlist import walk
from audio_engine.songs import find_track, look_up
from audio_engine.workers import DecoderPool
from index.flat import VectorIndex

if TYPE_CHECKING:
    from metric_learning.embedder import Embedder


class Engine:
    """An open catalogue with the model that speaks for it.

    Use `Engine.open`; close it, or use it in a `with` block.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> with Engine.open(mkdtemp()) as engine:
    ...     engine.info().n_tracks
    0
    """

    def __init__(self, catalogue: Catalogue, directory: Path) -> None:
        self.catalogue = catalogue
        self.directory = directory
        self._models = Models(catalogue)
        self._index: VectorIndex | None = None

    @classmethod
    def open(cls, directory: str | Path | None = None) -> Self:
        """Open a catalogue, making it where there is none.

        Parameters
        ----------
        directory
            Its folder; by default one in the user's data directory, so that nobody needs to name any.

        Raises
        ------
        CatalogueError
            When what lies there is damaged, or is no catalogue of ours.
        """
        where = Path(directory) if directory is not None else default_directory()
        return cls(Catalogue(where), where)

    def close(self) -> None:
        """Close the catalogue."""
        self.catalogue.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def plan(self, *folders: str | Path, force: bool = False) -> EmbedPlan:
        """Say what `embed` would do, without doing it.

        Parameters
        ----------
        folders
            Folders or files; none at all stands for all tracks that wait for another model.
        force
            Embed again what is unchanged, too.

        Raises
        ------
        FileNotFoundError
            When a folder is not there.
        """
        known, model_id = self.catalogue.known_files(), self._models.wanted_id
        if not folders:
            return plan_known(known, model_id=model_id)
        return plan_folders(known, folders, model_id=model_id, force=force)

    def embed(
        self, *folders: str | Path, force: bool = False, prune: bool = False, n_workers: int | None = None
    ) -> Generator[EmbedResult, None, None]:
        """Embed every new or changed audio file below some folders.

        Parameters
        ----------
        folders
            As in `plan`.
        force
            Embed again what is unchanged, too.
        prune
            Take tracks out whose file is gone.
        n_workers
            Decoder processes; by default one for each core.

        Yields
        ------
        result
            One for each file that was looked into, once it is committed.

        Raises
        ------
        FileNotFoundError
            When a folder is not there.
        """
        return self.embed_plan(self.plan(*folders, force=force), n_workers=n_workers, prune=prune)

    def embed_plan(
        self, plan: EmbedPlan, *, n_workers: int | None = None, prune: bool = False
    ) -> Generator[EmbedResult, None, None]:
        """Do what `plan` said; as `embed`."""
        embedder = self._models.wanted()
        pool = DecoderPool(embedder.recipe, n_workers=n_workers or n_cores())
        try:
            yield from embed_plan(plan, catalogue=self.catalogue, embedder=embedder, pool=pool, prune=prune)
            self.catalogue.finish_model_change()
        finally:
            self._forget()

    def retry(self, n_workers: int | None = None) -> Generator[EmbedResult, None, None]:
        """Try again all files that failed; as `embed`."""
        return self.embed_plan(plan_failed(self.catalogue.known_files()), n_workers=n_workers)

    def find(self, song: str | Path) -> Track:
        """Find a track by its id, or by the path of its file.

        Raises
        ------
        UnknownTrackError
            When the catalogue has no such track.
        """
        return find_track(song, self.catalogue)

    def vector(self, song: str | Path) -> NDArray[np.float32]:
        """Give the vector of a track, or of any audio file.

        Parameters
        ----------
        song
            A track id, or a path; a file that is not in the catalogue, or has changed since, is embedded on the spot.

        Returns
        -------
        vector : (dim,)
            Unit length.

        Raises
        ------
        UnknownTrackError
            When it is neither in the catalogue nor a file.
        DecodeError
            When it is a file that cannot be decoded.
        """
        return look_up(song, self.catalogue, self._models)[0]

    def similar(
        self, song: str | Path, k: int = 10, *, not_same_artist: bool = False, max_per_artist: int | None = None
    ) -> list[Neighbour]:
        """Find the tracks that sound most like a song.

        Parameters
        ----------
        song
            As in `vector`.
        k
            How many; fewer come where the catalogue holds fewer.
        not_same_artist
            Leave out the song's own artist, where known.
        max_per_artist
            At most so many tracks of one artist.

        Returns
        -------
        neighbours
            The most similar first; copies of one recording share a place, the song itself and its copies have none.

        Raises
        ------
        UnknownTrackError, DecodeError
            As `vector`.
        ValueError
            When a number is below 1.
        """
        vector, query = look_up(song, self.catalogue, self._models)
        return find_neighbours(
            vector,
            k,
            index=self._vectors,
            track_of=self.catalogue.track,
            query=query,
            not_same_artist=not_same_artist,
            max_per_artist=max_per_artist,
        )

    def path(self, start: str | Path, end: str | Path, n: int = 12) -> list[Neighbour]:
        """Walk from one song to another, each step a small one.

        Parameters
        ----------
        start, end
            Tracks in the catalogue, by id or path.
        n
            Tracks in all, both ends included; fewer where the catalogue holds fewer.

        Returns
        -------
        steps
            Ranks from 1; the similarity is that to the step before.

        Raises
        ------
        UnknownTrackError
            When one end is not in the catalogue.
        ValueError
            When `n` is below 2, or both ends are one track.
        """
        index = self._vectors
        ends = [self._indexed(song).track_id for song in (start, end)]
        track_ids = walk(ends[0], ends[1], n, index)
        vectors = index.vectors(track_ids)
        similarities = [1.0, *(float(a @ b) for a, b in pairwise(vectors))]
        return [
            Neighbour(rank=rank, similarity=similarity, track=self.find(track_id))
            for rank, (track_id, similarity) in enumerate(zip(track_ids, similarities, strict=True), start=1)
        ]

    def tracks(self) -> list[Track]:
        """List all embedded tracks, by path."""
        return self.catalogue.tracks("embedded")

    def errors(self) -> list[Track]:
        """List all files that failed, by path; `error` says why."""
        return self.catalogue.tracks("failed")

    def remove(self, *songs: str | Path) -> list[Track]:
        """Take tracks out of the catalogue; their files stay where they are.

        Raises
        ------
        UnknownTrackError
            When one of them is not there; none is taken out then.
        """
        tracks = [self.find(song) for song in songs]
        self.catalogue.remove([track.track_id for track in tracks])
        self._forget()
        return tracks

    def export(self, out: str | Path) -> int:
        """Write tags and vectors of all embedded tracks to a Parquet file; returns how many there are."""
        return export_parquet(self.catalogue, Path(out), self._models.answering_id)

    def use(self, model_dir: str | Path | None = None) -> str:
        """Move the catalogue to another model; the next `embed` does the work.

        Parameters
        ----------
        model_dir
            A folder as `metric_learning.checkpoint` writes it, of which the catalogue keeps a copy; by default the
            one that ships in the package.

        Returns
        -------
        model_id
            Until every track has a vector of it, the old model goes on answering.

        Raises
        ------
        FileNotFoundError, RecipeMismatchError
            When the folder holds no model that can be used.
        """
        model_id = self._models.use(None if model_dir is None else Path(model_dir))
        self._forget()
        return model_id

    def info(self) -> Info:
        """Sum up the catalogue."""
        return sum_up(self.catalogue, self._models)

    @property
    def embedder(self) -> "Embedder":
        """The model whose vectors answer."""
        return self._models.answering()

    def _indexed(self, song: str | Path) -> Track:
        """Find a track that has a vector."""
        track = self.find(song)
        if track.track_id not in self._vectors:
            raise UnknownTrackError(f"song must be embedded, got {str(song)!r} ({track.error or 'no vector yet'})")
        return track

    @property
    def _vectors(self) -> VectorIndex:
        """The index, made from the catalogue when first asked for and after each change."""
        if self._index is None:
            track_ids, vectors = self.catalogue.vectors(self._models.answering_id)
            self._index = VectorIndex.build(track_ids, vectors)
        return self._index

    def _forget(self) -> None:
        """Let the index be made again: the catalogue has changed."""
        self._index = None


def default_directory() -> Path:
    """Say where the catalogue lies when nobody says otherwise."""
    return platformdirs.user_data_path("audio-engine")


def n_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
