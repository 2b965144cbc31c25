"""The public face: open a catalogue, embed folders into it, ask it what sounds like what.

The command line, the service and a notebook all call these functions.
"""

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.catalogue import Catalogue, Track, default_directory
from audio_engine.catalogue.filters import TrackFilter
from audio_engine.cluster.export import export_parquet
from audio_engine.embedding.embedding import EmbedResult
from audio_engine.embedding.models import Models
from audio_engine.embedding.plan import EmbedPlan
from audio_engine.embedding.track_lookup import find_track, look_up
from audio_engine.genre.genres import Genres
from audio_engine.genre.labels import of_genre
from audio_engine.info import Info, sum_up
from audio_engine.ingest.ingest import Ingest
from audio_engine.ingest.uploads import Uploads
from audio_engine.recall.recommender import Recommender
from audio_engine.search.exploring import Exploring
from audio_engine.search.neighbours import Neighbour
from audio_engine.search.search import Search

if TYPE_CHECKING:
    from metric_learning.embedder import Embedder


class Engine:
    """An open catalogue with the model that speaks for it: use `Engine.open` in a `with` block, or close it.

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
        self.genres = Genres(catalogue, self._models)
        self.decoders = self._models.decoders
        self.search = Search(catalogue, self._models)
        self.exploring = Exploring(catalogue, self._models)
        self.uploads = Uploads(catalogue, self._models, self.genres, self.search.index)
        self.recommender = Recommender(catalogue, self._models, self.search.index)
        self._ingest = Ingest(catalogue, self._models, self.genres, self.search.index)

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
        """Close the catalogue, and stop the decoders that were kept."""
        self.decoders.close()
        self.catalogue.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
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
        return self._ingest.plan(folders, force=force)

    def embed(
        self,
        *folders: str | Path,
        force: bool = False,
        prune: bool = False,
        n_workers: int | None = None,
        cpu_budget: float = 1.0,
    ) -> Generator[EmbedResult, None, None]:
        """Embed every new or changed audio file below some folders.

        Parameters
        ----------
        folders, force
            As in `plan`, which is asked at once.
        prune
            Take tracks out whose file is gone.
        n_workers
            Cores to keep busy, each with a decoder process; by default all that there are.
        cpu_budget
            Share of those cores to use, above 0, at most 1: fewer are kept busy, or they rest between tracks.

        Yields
        ------
        result
            One for each file that was looked into, once it is committed.
        """
        plan = self.plan(*folders, force=force)
        return self.embed_plan(plan, n_workers=n_workers, prune=prune, cpu_budget=cpu_budget)

    def embed_plan(
        self, plan: EmbedPlan, *, n_workers: int | None = None, prune: bool = False, cpu_budget: float = 1.0
    ) -> Generator[EmbedResult, None, None]:
        """Do what `plan` said; as `embed`."""
        return self._ingest.embed_plan(plan, n_workers=n_workers, prune=prune, cpu_budget=cpu_budget)

    def retry(self, n_workers: int | None = None) -> Generator[EmbedResult, None, None]:
        """Try again all files that failed; as `embed`."""
        return self.embed_plan(self._ingest.plan_failed(), n_workers=n_workers)

    def find(self, track: str | Path) -> Track:
        """Find a track by its id, or by the path of its file.

        Raises
        ------
        UnknownTrackError
            When the catalogue has no such track.
        """
        return find_track(track, self.catalogue)

    def vector(self, track: str | Path) -> NDArray[np.float32]:
        """Give the vector of a track, or of any audio file.

        Parameters
        ----------
        track
            A track id, or a path; a file that is not in the catalogue, or has changed since, is embedded on the spot.

        Returns
        -------
        vector : (dim,)
            Unit length.

        Raises
        ------
        UnknownTrackError, DecodeError
            When it is neither in the catalogue nor a file, or a file that cannot be decoded.
        """
        return look_up(track, self.catalogue, self._models)[0]

    def similar(
        self,
        track: str | Path,
        k: int = 10,
        *,
        where: TrackFilter | None = None,
        not_same_artist: bool = False,
        max_per_artist: int | None = None,
    ) -> list[Neighbour]:
        """Find the tracks that sound most like a track.

        Parameters
        ----------
        track
            As in `vector`.
        k
            How many; fewer come where the catalogue holds fewer, or the filter lets fewer through.
        where
            Rank only the tracks that this filter lets through.
        not_same_artist
            Leave out the track's own artist, where known.
        max_per_artist
            At most so many tracks of one artist.

        Returns
        -------
        neighbours
            The most similar first; copies of one recording share a place, the track itself and its copies have none.

        Raises
        ------
        UnknownTrackError, DecodeError
            As `vector`.
        ValueError
            When a number is below 1.
        """
        return self.search.similar(
            track, k, where=where, not_same_artist=not_same_artist, max_per_artist=max_per_artist
        )

    def path(self, start: str | Path, end: str | Path, n: int = 12) -> list[Neighbour]:
        """Walk from one track to another, each step a small one.

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
        UnknownTrackError, ValueError
            When one end is not in the catalogue; when `n` is below 2, or both ends are one track.
        """
        return self.search.path(start, end, n)

    def tracks(self, *, genre: str | None = None) -> list[Track]:
        """List all embedded tracks, or those predicted to be of a genre (of any spelling; or "unknown"), by path."""
        tracks = self.catalogue.tracks("embedded")
        return tracks if genre is None else of_genre(tracks, genre)

    def errors(self) -> list[Track]:
        """List all files that failed, by path; `error` says why."""
        return self.catalogue.tracks("failed")

    def remove(self, *tracks: str | Path) -> list[Track]:
        """Take tracks out of the catalogue; their files stay where they are.

        Raises
        ------
        UnknownTrackError
            When one of them is not there; none is taken out then.
        """
        found = [self.find(track) for track in tracks]
        self.catalogue.remove([each.track_id for each in found])
        self.search.index.forget()
        return found

    def export(self, out: str | Path) -> int:
        """Write tags and vectors of all embedded tracks to a Parquet file; returns how many there are."""
        return export_parquet(self.catalogue, Path(out), self._models.active_id)

    def import_parquet(self, *tables: str | Path) -> Generator[EmbedResult, None, None]:
        """Bring in vectors that were made elsewhere: by `embed --engine ray`, or exported by another catalogue.

        Takes, raises and yields what `audio_engine.cluster.import_tables.import_tables` does.
        """
        return self._ingest.import_parquet(tables)

    def use_model(self, model_dir: str | Path | None = None) -> str:
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
        return self._models.use(None if model_dir is None else Path(model_dir))

    def info(self) -> Info:
        """Sum up the catalogue."""
        return sum_up(self.catalogue, self._models, self.search.index.describe())

    @property
    def model_dir(self) -> Path:
        """The folder of the model that new vectors are to be of."""
        return self._models.target_folder

    @property
    def embedder(self) -> "Embedder":
        """The model whose vectors answer."""
        return self._models.active()
