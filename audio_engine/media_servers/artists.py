"""Similar artists: those whose tracks lie, in the mean, near the mean of an artist's tracks.

Each artist is one unit vector, the mean of the vectors of their tracks, so that a query is one product of a matrix.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.tag_text import artist_keys, normalised
from audio_engine.catalogue.tags import SEPARATOR
from audio_engine.embedding.models import Models
from audio_engine.errors import UnknownTrackError
from audio_engine.media_servers.link_store import LinkStore

N_SONGS = 9  # of each of two artists, that show why they are similar

Row = tuple[str, str, str, str, str]  # artist id, artist, track id, song id, title


@dataclass(frozen=True, kw_only=True)
class SimilarArtist:
    """An artist near another."""

    artist_id: str
    name: str
    distance: float  # Euclidean, between the unit vectors of both: 0 to 2
    songs: tuple[tuple[str, str], ...]  # ids and titles of theirs, the nearest to the other artist first
    other_songs: tuple[tuple[str, str], ...]  # the other artist's, the nearest to this artist first


@dataclass(frozen=True, kw_only=True, eq=False)
class Artists:
    """The artists of a server, with their tracks in rows, artist by artist."""

    ids: list[str]
    names: list[str]
    vectors: NDArray[np.float32]  # (n_artists, dim), unit length
    starts: NDArray[np.int64]  # (n_artists + 1,): the tracks of artist i are rows starts[i] to starts[i + 1]
    songs: list[tuple[str, str]]  # (n_tracks,): id and title
    track_vectors: NDArray[np.float32]  # (n_tracks, dim)

    def find(self, artist: str) -> int:
        """Find an artist by id, or by name in any spelling.

        Raises
        ------
        UnknownTrackError
            When there is none with a track that has a vector.
        """
        if artist in self.ids:
            return self.ids.index(artist)
        name = normalised(artist)
        found = next((row for row, each in enumerate(self.names) if normalised(each) == name), None)
        if found is None:
            raise UnknownTrackError(f"artist must have a track that is linked and embedded, got {artist!r}")
        return found

    def near(self, artist: str, n: int) -> list[SimilarArtist]:
        """Find the artists nearest to one, who is left out."""
        row = self.find(artist)
        distances = np.sqrt(np.maximum(0.0, 2.0 - 2.0 * (self.vectors @ self.vectors[row])))
        distances[row] = np.inf
        nearest = np.argsort(distances, kind="stable")[: min(n, len(self.ids) - 1)]
        return [
            SimilarArtist(
                artist_id=self.ids[other],
                name=self.names[other],
                distance=float(distances[other]),
                songs=self._songs_near(other, self.vectors[row]),
                other_songs=self._songs_near(row, self.vectors[other]),
            )
            for other in nearest.tolist()
        ]

    def _songs_near(self, artist: int, vector: NDArray[np.float32]) -> tuple[tuple[str, str], ...]:
        """List an artist's songs, the nearest to a vector first."""
        start, end = self.starts[artist], self.starts[artist + 1]
        order = np.argsort(-(self.track_vectors[start:end] @ vector), kind="stable")[:N_SONGS]
        return tuple(self.songs[start + row] for row in order.tolist())


class ArtistCache:
    """The artists of each server, gathered again when links or vectors change; threads may share it."""

    def __init__(self, links: LinkStore, catalogue: Catalogue, models: Models) -> None:
        self._links, self._catalogue, self._models = links, catalogue, models
        self._held: dict[str | None, tuple[object, Artists]] = {}
        self._gathering = threading.Lock()

    def of(self, server: str | None) -> Artists:
        """Give the artists of a server; None: those that the tags of the catalogue name."""
        with self._gathering:
            moment = (self._links.moment, self._catalogue.moment, self._models.active_id)
            held = self._held.get(server)
            if held is None or held[0] != moment:
                rows = self._own_rows() if server is None else self._links.artist_tracks(server)
                held = self._held[server] = (moment, self._gathered(rows))
            return held[1]

    def _own_rows(self) -> list[Row]:
        """List the tracks of each artist that a tag names; an artist goes by the name."""
        return sorted(
            (artist, artist, track.track_id, track.track_id, track.tags.title or track.path.stem)
            for track in self._catalogue.tracks("embedded")
            for artist in artist_keys(track.tags.artist)
        )

    def _gathered(self, rows: Sequence[Row]) -> Artists:
        """Average the vectors of each artist's tracks; those without a vector are left out."""
        track_ids, vectors = self._catalogue.vectors(self._models.active_id)
        row_of = {track_id: row for row, track_id in enumerate(track_ids)}
        rows = [row for row in rows if row[2] in row_of]
        of_tracks = vectors[[row_of[row[2]] for row in rows]]
        begins = [place for place, row in enumerate(rows) if not place or rows[place - 1][0] != row[0]]
        sums = np.add.reduceat(of_tracks, begins, axis=0) if begins else of_tracks
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        return Artists(
            ids=[rows[begin][0] for begin in begins],
            names=[rows[begin][1].partition(SEPARATOR)[0] for begin in begins],
            vectors=np.divide(sums, lengths, out=np.zeros_like(sums), where=lengths > 1e-6),
            starts=np.array([*begins, len(rows)], dtype=np.int64),
            songs=[(row[3], row[4]) for row in rows],
            track_vectors=of_tracks,
        )
