"""`Engine`, the public interface: opens a catalogue, embeds folders into it, and searches it.

The command line, the service and notebooks all call its methods.
"""

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.filters import TrackFilter
from audio_engine.catalogue.paths import default_directory
from audio_engine.catalogue.track import Track
from audio_engine.decoding.pool import TIMEOUT_S
from audio_engine.description.descriptions import Descriptions
from audio_engine.embedding.embedding import EmbedResult
from audio_engine.embedding.models import Models
from audio_engine.embedding.plan import EmbedPlan
from audio_engine.embedding.track_lookup import find_track, track_of_id
from audio_engine.genre.genres import Genres
from audio_engine.info import Info, sum_up
from audio_engine.ingest.ingest import Ingest
from audio_engine.ingest.uploads import Uploads
from audio_engine.ingest.watching import Watcher
from audio_engine.media_servers.media_servers import MediaServers
from audio_engine.recall.recommender import Recommender
from audio_engine.search.neighbours import Neighbour
from audio_engine.search.search import Search
from audio_engine.search.steering import PLAIN, Steering

if TYPE_CHECKING:
    from metric_learning.embedder import Embedder


class Engine:
    """An open catalogue with its model: use `Engine.open` in a `with` block, or call `close`.

    Its parts: `search` (by sound, by words, on a map), `genres` (train, predict), `descriptions` (tempo, key, tags),
    `recommender` (tracks for a user, users for a track), `ingest` (embedding, tables), `watcher` (of folders),
    `uploads` (its own files), `media_servers` (their ids and playlists). `catalogue` holds the tracks, `models` the
    encoders, and `decoders` read sound files.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> with Engine.open(mkdtemp()) as engine:
    ...     engine.info().n_tracks
    0
    """

    def __init__(self, catalogue: Catalogue, directory: Path) -> None:
        self.catalogue, self.directory = catalogue, directory
        self.models = models = Models(catalogue)
        self.decoders = models.decoders
        self.search = Search(catalogue, models)
        self.genres = Genres(catalogue, models)
        self.descriptions = Descriptions(catalogue)
        self.recommender = Recommender(catalogue, models, self.search.index)
        self.ingest = Ingest(catalogue, models, self.genres, self.search.index)
        self.watcher = Watcher(catalogue, self.ingest, self.descriptions)
        self.uploads = Uploads(catalogue, models, self.genres, self.search.index)
        self.media_servers = MediaServers(catalogue, models, self.search, directory)

    @classmethod
    def open(cls, directory: str | Path | None = None, *, create: bool = True) -> Self:
        """Open a catalogue in a folder, by default one in the user's data directory; by default `create` a missing one.

        Raises
        ------
        CatalogueError, FileNotFoundError, NotADirectoryError
            When it is damaged or no catalogue; when none is there and none is to be created; when the folder is none.
        """
        where = Path(directory) if directory is not None else default_directory()
        return cls(Catalogue(where, create=create), where)

    def close(self) -> None:
        """Close the catalogue, and stop what `serve_many` started."""
        self.models.close()
        self.media_servers.close()
        self.catalogue.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def plan(self, *folders: str | Path, force: bool = False) -> EmbedPlan:
        """Plan what `embed` would do with folders or files, or with all tracks that are pending after `use_model`.

        With `force`, unchanged files are embedded again too.

        Raises
        ------
        FileNotFoundError
            When a folder is not there.
        """
        return self.ingest.plan(*folders, force=force)

    def embed(
        self,
        *folders: str | Path,
        force: bool = False,
        prune: bool = False,
        force_prune: bool = False,
        n_workers: int | None = None,
        cpu_budget: float = 1.0,
    ) -> Generator[EmbedResult, None, None]:
        """Embed every new or changed audio file below some folders.

        Parameters
        ----------
        folders, force
            As in `plan`, which is made at once.
        prune
            Remove tracks whose file is gone.
        force_prune
            Do so even where a disk may not be mounted: see Raises.
        n_workers
            Cores to keep busy, each with a decoder process; by default all that there are.
        cpu_budget
            Share of those cores to use, above 0, at most 1: fewer are kept busy, or they rest between tracks.

        Yields
        ------
        result
            One per file, once it is committed.

        Raises
        ------
        CatalogueError
            At once, when the catalogue cannot be written.
        ValueError
            At once, when `prune` would remove the tracks of a folder that is empty, or most tracks of a folder.
        """
        plan = self.plan(*folders, force=force)
        return self.ingest.embed(plan, n_workers=n_workers, prune=prune, force_prune=force_prune, cpu_budget=cpu_budget)

    def retry(self, n_workers: int | None = None) -> Generator[EmbedResult, None, None]:
        """Try again all files that failed; as `embed`."""
        return self.ingest.embed(self.ingest.plan_failed(), n_workers=n_workers)

    def find(self, track: str | Path) -> Track:
        """Find a track by its id, or by the path of its file; raises `UnknownTrackError` if there is none."""
        return find_track(track, self.catalogue)

    def track(self, track_id: str) -> Track:
        """Find a track by its id alone, as `find`: no path is looked up, whatever the text may be."""
        return track_of_id(track_id, self.catalogue)

    def vector(self, track: str | Path) -> NDArray[np.float32]:
        """Give the vector of a track, by its id, or of any audio file, by its path: (dim,), of unit length.

        A file that is not in the catalogue, or has changed since, is embedded on the spot.

        Raises
        ------
        UnknownTrackError, DecodeError
            When it is neither in the catalogue nor a file, or a file that cannot be decoded.
        """
        return self.search.seed_of(track).vector

    def similar(  # noqa: PLR0913  (one question, with what bounds and steers its answer)
        self,
        track: str | Path,
        k: int | None = None,
        *,
        like: Mapping[str | Path, float] | None = None,
        unlike: Mapping[str | Path, float] | None = None,
        steering: Steering = PLAIN,
        where: TrackFilter | None = None,
        not_same_artist: bool = False,
        max_per_artist: int | None = None,
    ) -> list[Neighbour]:
        """Find the tracks that sound most like a track, or like several and unlike others.

        Parameters
        ----------
        track
            As in `vector`.
        k
            Number of neighbours; fewer are returned if the catalogue has fewer, or fewer pass the filter. By default
            10, or as many as fill `steering.minutes`.
        like, unlike
            Further tracks to be like, or unlike, with weights above 0; `track` has weight 1.
        steering
            Chance, diversity, spread of artists, and length in minutes.
        where
            Rank only the tracks that pass this filter.
        not_same_artist
            Leave out the track's own artist, where known.
        max_per_artist
            At most so many tracks of one artist.

        Returns
        -------
        neighbours
            The most similar first, unless steered; copies share a place, and the seeds and theirs are left out.

        Raises
        ------
        UnknownTrackError, DecodeError, ValueError
            As `vector`; when a number is below 1.
        """
        seeds, weights = self.search.weighted_seeds(track, like, unlike)
        return self.search.neighbours(
            seeds,
            k,
            weights=weights,
            steering=steering,
            where=where,
            not_same_artist=not_same_artist,
            max_per_artist=max_per_artist,
        )

    def path(self, start: str | Path, end: str | Path, n: int = 12) -> list[Neighbour]:
        """Walk from one track to another, each step a small one; similarities are to the step before.

        Parameters
        ----------
        start, end
            Tracks in the catalogue, by id or path.
        n
            Tracks in all, both ends included; fewer where the catalogue holds fewer.

        Raises
        ------
        UnknownTrackError, ValueError
            When one end is not in the catalogue; when `n` is below 2, or both ends are one track.
        """
        return self.search.path(self.find(start), self.find(end), n)

    def tracks(self, *, genre: str | None = None) -> list[Track]:
        """List all embedded tracks, or those predicted to be of a genre (of any spelling; or "unknown"), by path."""
        return self.catalogue.tracks("embedded") if genre is None else self.genres.tracks(genre)

    def errors(self) -> list[Track]:
        """List all files that failed, by path; `error` says why."""
        return self.catalogue.tracks("failed")

    def warnings(self) -> list[Track]:
        """List all embedded tracks of which decoding lost or mended something, by path; `warnings` says what."""
        return self.catalogue.tracks_with_warnings()

    def remove(self, *tracks: str | Path) -> list[Track]:
        """Take tracks out of the catalogue, not off the disk; none if one is unknown (an `UnknownTrackError`)."""
        return self.ingest.remove([self.find(track) for track in tracks])

    def export(self, out: str | Path) -> int:
        """Write tags and vectors of all embedded tracks to a Parquet file; returns how many there are."""
        from audio_engine.cluster.export import export_parquet  # noqa: PLC0415  (loads Polars)

        return export_parquet(self.catalogue, Path(out), self.models.active_id)

    def use_model(self, model_dir: str | Path | None = None) -> str:
        """Move the catalogue to another model, whose id is returned; the next `embed` does the work.

        Until every track has a vector of the new model, queries use the old one.

        Parameters
        ----------
        model_dir
            A folder as `metric_learning.checkpoint` writes it, of which the catalogue keeps a copy; by default the
            one that ships in the package.

        Raises
        ------
        FileNotFoundError, RecipeMismatchError
            When the folder holds no model that can be used.
        """
        return self.models.use(None if model_dir is None else Path(model_dir))

    def info(self) -> Info:
        """Sum up the catalogue."""
        return sum_up(self.catalogue, self.models, self.search.index.describe())

    def serve_many(
        self, *, n_workers: int | None = None, timeout_s: float = TIMEOUT_S, max_duration_s: float | None = None
    ) -> None:
        """Prepare for many concurrent requests, in many threads, until `close`.

        Index and tracks are held in memory, and `n_workers` decoders are kept (one for each core by default), for which
        a file may take `timeout_s` seconds, and last `max_duration_s`. The model is loaded with the first sound.
        """
        self.models.serve_many(n_workers=n_workers, timeout_s=timeout_s, max_duration_s=max_duration_s)
        self.uploads.clear_abandoned()
        self.search.serve_many()

    @property
    def n_tracks(self) -> int:
        """How many tracks are embedded."""
        return self.catalogue.n_tracks("embedded")

    @property
    def embedder(self) -> "Embedder":
        """The active model, whose vectors are searched."""
        return self.models.active()
