"""Descriptions of a catalogue's tracks: tempo, key and loudness, measured for the tracks that lack them.

It needs no model, so it runs beside `embed`, or after it. A result is yielded once it is committed: a killed run is
continued by the next one. A file that cannot be measured keeps its vector; why, is kept beside it.
"""

from collections.abc import Collection, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Literal

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.paths import absolute, is_gone
from audio_engine.catalogue.tags import one_line, read_tags
from audio_engine.catalogue.track import Described, Retagged, Track
from audio_engine.decoding.pool import DecoderPool, n_cores
from audio_engine.embedding.embedding import READ_AHEAD, in_parallel, share_out
from audio_engine.embedding.reading import content_hash_of, reason_of
from audio_engine.embedding.track_lookup import has_changed
from audio_engine.errors import CatalogueError
from audio_engine.genre.genres import UNKNOWN
from features.description import Description
from features.recipe import MelRecipe

if TYPE_CHECKING:
    from audio_engine.description.tag_writing import Field

TIMEOUT_S = 900.0  # seconds for one file, which is decoded whole
HAS_CHANGED = "it has changed since it was embedded: embed it again first"


@dataclass(frozen=True, kw_only=True)
class TagResult:
    """The result of writing tags into the file of one track."""

    path: Path
    status: Literal["tagged", "unchanged", "failed", "missing"]
    track_id: str
    written: dict["Field", tuple[str, str]] = field(default_factory=dict)  # by field: what it was, what it is now
    error: str = ""  # one line


@dataclass(frozen=True, kw_only=True)
class DescribeResult:
    """The result for one track."""

    path: Path
    status: Literal["described", "failed", "missing"]
    track_id: str
    description: Description = field(default_factory=Description)  # empty unless it was described
    error: str = ""  # one line
    warnings: tuple[str, ...] = ()  # none: those of decoding are kept by `embed`


class Descriptions:
    """What was measured of the tracks of one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def pending(self, *folders: str | Path, retry: bool = False) -> list[Track]:
        """List the tracks that lack a description, by path.

        Parameters
        ----------
        folders
            Only tracks below these folders; all by default.
        retry
            Also those of which it failed.
        """
        return [
            track
            for track in (self.below(*folders) if folders else self._catalogue.tracks("embedded"))
            if not track.described_at or (retry and track.description_error)
        ]

    def below(self, *folders: str | Path) -> list[Track]:
        """List the embedded tracks below some folders, by path."""
        roots = [absolute(folder) for folder in folders]
        embedded = self._catalogue.tracks("embedded")
        return [track for track in embedded if any(track.path.is_relative_to(root) for root in roots)]

    def failed(self) -> list[Track]:
        """List the tracks that could not be described, by path; `description_error` says why."""
        return [track for track in self._catalogue.tracks("embedded") if track.description_error]

    def describe(
        self, tracks: Sequence[Track], *, n_workers: int | None = None, cpu_budget: float = 1.0
    ) -> Generator[DescribeResult, None, None]:
        """Measure tempo, key and loudness of tracks.

        Parameters
        ----------
        tracks
            From `pending`.
        n_workers, cpu_budget
            As for `Engine.embed`.

        Yields
        ------
        result
            One for each track, once it is committed; in no order. A track whose file is gone, or has changed since it
            was embedded, stays as it was.

        Raises
        ------
        CatalogueError
            At once, when the catalogue cannot be written.
        """
        self._catalogue.check_writable()
        n_busy, rest = share_out(n_workers or n_cores(), cpu_budget)
        return self._describe(tracks, n_busy=n_busy, rest=rest)

    def write_tags(
        self, tracks: Sequence[Track], fields: Collection["Field"], *, overwrite: bool = False, dry_run: bool = False
    ) -> Generator[TagResult, None, None]:
        """Write what was measured, or predicted, into the tags of files; the vectors stay.

        Parameters
        ----------
        tracks
            Embedded ones.
        fields
            ``bpm``, ``key`` and ``genre`` (the predicted one, where it is not "unknown"): those to be written.
        overwrite
            Also where a file has another value; otherwise only where it has none.
        dry_run
            Say what would be written, and write nothing.

        Yields
        ------
        result
            One for each track.
        """
        if not dry_run:
            self._catalogue.check_writable()
        for track in tracks:
            yield self._tagged(track, fields, overwrite=overwrite, dry_run=dry_run)

    def _tagged(self, track: Track, fields: Collection["Field"], *, overwrite: bool, dry_run: bool) -> TagResult:
        """Write the tags of one track; whatever its file makes fail is told, not raised."""
        from audio_engine.description.tag_writing import (  # noqa: PLC0415  (loads mutagen)
            TagError,
            fields_there,
            write_fields,
        )

        result = TagResult(path=track.path, status="unchanged", track_id=track.track_id)
        if is_gone(track.path):
            return replace(result, status="missing")
        try:
            if has_changed(track):
                return replace(result, status="failed", error=HAS_CHANGED)
            there = fields_there(track.path)
            wanted = {name: text for name, text in _fields_of(track).items() if name in fields}
            written = {
                name: (there.get(name, ""), text)
                for name, text in wanted.items()
                if text != there.get(name, "") and (overwrite or name not in there)
            }
            if written and not dry_run:
                write_fields(track.path, {name: text for name, (_, text) in written.items()})
                self._catalogue.write([_retagged(track)])
        except CatalogueError:
            raise
        except TagError as error:
            return replace(result, status="failed", error=one_line(str(error)))
        except Exception as error:  # noqa: BLE001  (a strange file must not stop a run over a million others)
            return replace(result, status="failed", error=reason_of(error, track.path))
        return replace(result, status="tagged", written=written) if written else result

    def _describe(self, tracks: Sequence[Track], *, n_busy: int, rest: float) -> Generator[DescribeResult, None, None]:
        """Measure in several decoder processes; a copy of a track that was measured is not decoded again."""
        if not tracks:
            return
        pool = DecoderPool(MelRecipe(), n_workers=n_busy, timeout_s=TIMEOUT_S)
        threads = ThreadPoolExecutor(n_busy, thread_name_prefix="describe")
        known = {
            track.content_hash: track.description
            for track in self._catalogue.tracks("embedded")
            if track.described_at and not track.description_error
        }

        def work(track: Track) -> DescribeResult:
            began = monotonic()
            result = _measured(track, pool, known.get(track.content_hash))
            sleep(rest * (monotonic() - began))
            return result

        try:
            for result in in_parallel(threads, work, tracks, ahead=READ_AHEAD * n_busy):
                self._write(result)
                yield result
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
            pool.close()

    def _write(self, result: DescribeResult) -> None:
        """Commit a result, unless there is nothing to be kept of it."""
        if result.status == "described" or (result.status == "failed" and result.error != HAS_CHANGED):
            change = Described(track_id=result.track_id, description=result.description, error=result.error)
            self._catalogue.write([change])


def _measured(track: Track, pool: DecoderPool, known: Description | None) -> DescribeResult:
    """Measure one track, unless it is known from a copy; whatever its file makes fail is told, not raised."""

    def failed(error: str) -> DescribeResult:
        return DescribeResult(path=track.path, status="failed", track_id=track.track_id, error=error)

    if is_gone(track.path):
        return DescribeResult(path=track.path, status="missing", track_id=track.track_id)
    try:
        if has_changed(track):
            return failed(HAS_CHANGED)
        description = known or pool.describe(track.path)
    except Exception as error:  # noqa: BLE001  (a strange file must not stop a run over a million others)
        return failed(reason_of(error, track.path))
    return DescribeResult(path=track.path, status="described", track_id=track.track_id, description=description)


def _fields_of(track: Track) -> dict["Field", str]:
    """Say what is known of a track, as tags have it."""
    bpm, key, genre = track.description.bpm, track.description.key, track.genre_predicted
    fields: dict[Field, str] = {
        "bpm": "" if bpm is None else str(round(bpm)),
        "key": key,
        "genre": "" if genre == UNKNOWN else genre,
    }
    return {name: text for name, text in fields.items() if text}


def _retagged(track: Track) -> Retagged:
    """Read what the file of a track has become."""
    status = track.path.stat()
    return Retagged(
        track_id=track.track_id,
        content_hash=content_hash_of(track.path),
        file_size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        tags=replace(read_tags(track.path), duration_s=track.tags.duration_s),
    )
