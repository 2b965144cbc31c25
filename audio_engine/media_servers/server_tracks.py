"""Tracks of the catalogue, called by the ids of a linked media server, or by their own."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from audio_engine.catalogue.track import Track, TrackVector
from audio_engine.media_servers.link_store import LinkStore
from audio_engine.search.neighbours import Neighbour
from audio_engine.search.search import Search

WIDEN = 4  # times as many are asked for where too few of an answer are linked
MAX_ASKED = 1 << 14  # places that are looked through, so that a server with next to no tracks costs no whole catalogue


class Found(Protocol):
    """One place of an answer."""

    @property
    def track(self) -> Track:
        """The track at this place."""


FoundT = TypeVar("FoundT", bound=Found)


class ServerTracks:
    """The tracks that one server has.

    Parameters
    ----------
    name
        Of the server; None: every track has its own id.
    links
        Where the server's ids are.
    search
        Of the catalogue.
    """

    def __init__(self, name: str | None, links: LinkStore, search: Search) -> None:
        self.name, self._links, self._search = name, links, search

    def ids_of(self, track_ids: Iterable[str]) -> Mapping[str, str]:
        """Give the ids of tracks by our own; lacks the tracks that the server does not have."""
        if self.name is None:
            return {track_id: track_id for track_id in track_ids}
        return self._links.song_ids(self.name, track_ids)

    def called(self, found: Sequence[FoundT]) -> list[tuple[str, FoundT]]:
        """Put the server's id before each place of an answer, and leave out the places that it has no track of.

        A track that the server lacks is replaced by a copy of the same recording that it has.
        """
        copies = [(each.track, *getattr(each, "copies", ())) for each in found]
        ids = self.ids_of([track.track_id for tracks in copies for track in tracks])
        called = []
        for each, tracks in zip(found, copies, strict=True):
            known = [ids[track.track_id] for track in tracks if track.track_id in ids]
            called += [(known[0], each)] if known else []
        return called

    def best(self, find: Callable[[int], Sequence[FoundT]], k: int) -> list[tuple[str, FoundT]]:
        """Find the best places of an answer that the server has, however many come between that it lacks.

        Parameters
        ----------
        find
            Gives the best so many places of all.
        k
            How many; fewer are returned where there are fewer among the first `MAX_ASKED`.

        Returns
        -------
        places
            The server's id and the place, the best first.
        """
        n_asked = k
        while True:
            found = find(n_asked)
            called = self.called(found)
            if len(called) >= k or len(found) < n_asked or n_asked >= MAX_ASKED:
                return called[:k]
            n_asked *= WIDEN

    def neighbours(
        self, seeds: Sequence[TrackVector], k: int, *, max_per_artist: int | None = None
    ) -> list[tuple[str, Neighbour]]:
        """Find the most similar tracks that the server has, each with its id there; as `Search.neighbours`."""
        return self.best(lambda n: self._search.neighbours(seeds, n, max_per_artist=max_per_artist), k)
