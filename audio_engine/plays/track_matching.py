"""Matching of names, in a play log or any other table, to tracks.

A name matches a track by the name in a table of tracks, by its id, by the path of its file, or by its file name without
the ending. The first match in this order is used; a path or a file name matches only if one track has it, or several
whose files hold the same bytes: of these it is the first. NFC and NFD spellings are the same name.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.catalogue.paths import absolute, catalogue_path, uri_of
from audio_engine.catalogue.track import Track
from audio_engine.plays.spelling import one_spelling
from audio_engine.plays.table_files import id_text, scan_table

KEY = "name of the track"  # a column while plays are matched; no log has one called so
FILE_COLUMNS = ("path", "file")  # of a table of tracks: where the file lies, best first


@dataclass(frozen=True, kw_only=True, eq=False)
class TrackNames:
    """Tracks, and the names that stand for them."""

    track_ids: tuple[str, ...]  # by row
    files: tuple[Path, ...] = field(default=(), repr=False)  # by row; none where they are not known
    durations_s: pl.Series = field(repr=False)  # by row; null where not known
    rows: pl.DataFrame = field(repr=False)  # name (as `one_spelling` writes it, each once), row; best names first
    shared: pl.Series = field(  # names of files that several recordings have, and that may be names of none
        default_factory=lambda: pl.Series(dtype=pl.String), repr=False
    )

    @cached_property
    def row_of(self) -> Mapping[str, int]:
        """Row by name, as `one_spelling` writes it."""
        return dict(zip(self.rows["name"], self.rows["row"], strict=True))

    @property
    def table(self) -> pl.DataFrame:
        """What `match_tracks` joins to plays: ``name, row, duration_s``."""
        return self.rows.with_columns(duration_s=self.durations_s.gather(self.rows["row"]))

    def where(self, keep: NDArray[np.bool_]) -> "TrackNames":
        """Keep some of the tracks; what was a name of several of them stays a name of none."""
        kept = np.flatnonzero(keep)
        renumbered = pl.DataFrame({"row": kept, "new": np.arange(len(kept))})
        rows = self.rows.join(renumbered, on="row", how="inner", maintain_order="left")
        return TrackNames(
            track_ids=tuple(self.track_ids[row] for row in kept),
            files=tuple(self.files[row] for row in kept) if self.files else (),
            durations_s=self.durations_s.gather(kept),
            rows=rows.select("name", row="new"),
            shared=self.shared,
        )

    def preferring(self, names: pl.Series, rows: Sequence[int | None]) -> "TrackNames":
        """Put further names (the track of a name may be None: not here) before those that the tracks have."""
        return replace(self, rows=_first_of(_rows(names, rows).drop_nulls(), self.rows))

    def joined(self, other: "TrackNames", rows: Sequence[int | None]) -> "TrackNames":
        """Add the names that tracks have elsewhere: ``rows`` says which of those each track here is, if any."""
        here = pl.DataFrame({"new": np.arange(len(rows)), "row": pl.Series(rows, dtype=pl.Int64)})
        here = here.drop_nulls().unique("row", keep="first", maintain_order=True)
        further = other.rows.join(here, on="row", how="inner", maintain_order="left")
        return replace(self, rows=_first_of(self.rows, further.select("name", row="new")))

    def find(self, cells: Iterable[str | None], *, start: Path | None = None) -> list[int | None]:
        """Find the tracks that a column of a table means, which holds names or paths.

        Parameters
        ----------
        cells
            Of the table.
        start
            The folder that relative paths start from; links are followed where the plain path is not known. None: it
            is not known, and a relative path is that of the one track whose path ends in it.

        Returns
        -------
        rows
            None where no track is meant.
        """
        cells = list(cells)
        rows = [self._row(cell, start) for cell in cells]
        others = {cell for cell, row in zip(cells, rows, strict=True) if cell and row is None}
        if not others or not self.files:
            return rows
        further = self._by_ending(others) if start is None else self._by_link(others, start)
        return [further.get(cell or "") if row is None else row for cell, row in zip(cells, rows, strict=True)]

    def in_tower(self, tower_rows: Mapping[str, int]) -> pl.DataFrame:
        """Say which tracks a user tower knows by one of their names: ``row, tower_row``."""
        tower = _rows(list(tower_rows), tower_rows.values()).rename({"row": "tower_row"})
        known = self.rows.join(tower, on="name", how="inner", maintain_order="left")
        return known.select("row", "tower_row").unique("row", keep="first", maintain_order=True)

    def with_tower(self, tower_rows: Mapping[str, int]) -> pl.DataFrame:
        """Give `table` a column ``tower_row``, and the names that only the tower knows, without a row."""
        table = self.table.join(self.in_tower(tower_rows), on="row", how="left", maintain_order="left")
        tower = _rows(list(tower_rows), tower_rows.values()).rename({"row": "own"})
        both = table.join(tower, on="name", how="full", coalesce=True)
        return both.with_columns(tower_row=pl.coalesce("own", "tower_row")).drop("own")

    def _row(self, cell: str | None, start: Path | None) -> int | None:
        """Find a track by its path from a folder, or else by a name."""
        if cell is None:
            return None
        by_path = None if start is None else self.row_of.get(_text(_path(cell, start)))
        return self.row_of.get(one_spelling(cell)) if by_path is None else by_path

    def _by_link(self, cells: Iterable[str], start: Path) -> Mapping[str, int | None]:
        """Find tracks by where their paths and those of cells lead."""
        followed = {os.path.realpath(file): row for row, file in enumerate(self.files)}
        return {cell: followed.get(os.path.realpath(_path(cell, start))) for cell in cells}

    def _by_ending(self, cells: Iterable[str]) -> Mapping[str, int]:
        """Find the tracks whose path alone ends in a cell."""
        alike: dict[str, list[int]] = defaultdict(list)
        for row, file in enumerate(self.files):
            alike[_text(file.name)].append(row)
        found = {}
        for cell in cells:
            name = _text(cell)
            ending = [row for row in alike[Path(name).name] if f"/{_text(self.files[row])}".endswith(f"/{name}")]
            if len(ending) == 1:
                found[cell] = ending[0]
        return found


def name_tracks(
    track_ids: Iterable[str],
    *,
    files: Iterable[Path] = (),
    durations_s: Iterable[float | None] | None = None,
    content_hashes: Iterable[str | None] | None = None,
) -> TrackNames:
    """List the names of tracks.

    Parameters
    ----------
    track_ids
        Their ids.
    files
        Their files; none where they are not known.
    durations_s
        Their lengths in seconds; None or NaN where not known.
    content_hashes
        Of the bytes of their files, None where not known: files with the same hash may share a name.

    Examples
    --------
    >>> names = name_tracks(["a", "b"], files=[Path("/music/1.mp3"), Path("/music/2.mp3")])
    >>> names.find(["a", "/music/1.mp3", "2", "3"])
    [0, 0, 1, None]
    """
    track_ids, files = tuple(track_ids), tuple(files)
    lengths = [None] * len(track_ids) if durations_s is None else list(durations_s)
    paths = [_text(file if file.is_absolute() else absolute(file)) for file in files]
    stems = _by_recording([_text(file.stem) for file in files], content_hashes)
    odd = [row for row, path in enumerate(paths) if "\ufffd" in path]  # not UTF-8: they have a URI as well
    return TrackNames(
        track_ids=track_ids,
        files=files,
        durations_s=pl.Series("duration_s", lengths, dtype=pl.Float64, strict=False).fill_nan(None),
        rows=_first_of(
            _rows(track_ids, range(len(track_ids))),
            _unshared(paths, range(len(files))),
            _unshared([uri_of(files[row]) for row in odd], odd),
            stems.filter(pl.col("n_recordings") == 1).select("name", "row"),
        ),
        shared=stems.filter(pl.col("n_recordings") > 1)["name"],
    )


def name_catalogue(tracks: Sequence[Track], *, table: Path | None = None, audio: Path | None = None) -> TrackNames:
    """List the names of tracks of a catalogue.

    Parameters
    ----------
    tracks
        Of the catalogue.
    table
        Of tracks, Parquet or CSV: ``track``, a name, and ``path`` or ``file``, whose name it is.
    audio
        The folder that relative paths in the table start from; its own by default.

    Raises
    ------
    FileNotFoundError
        When the table is missing.
    ValueError
        When it lacks a column.
    """
    names = name_tracks(
        (track.track_id for track in tracks),
        files=(track.path for track in tracks),
        durations_s=(track.tags.duration_s for track in tracks),
        content_hashes=(track.content_hash for track in tracks),
    )
    return names if table is None else name_by_table(names, table, start=audio or table.parent)


def name_by_table(names: TrackNames, table: Path, *, start: Path | None) -> TrackNames:
    """Put the names that a table gives to tracks before those that they have: see `name_catalogue`."""
    scanned = scan_table(table)
    columns = (schema := scanned.collect_schema()).names()
    where = next((name for name in FILE_COLUMNS if name in columns), None)
    if "track" not in columns or where is None:
        raise ValueError(f"tracks must have a column 'track' and 'path' or 'file', got {', '.join(columns)} in {table}")
    named = scanned.select(id_text("track", schema["track"]), pl.col(where).cast(pl.String)).drop_nulls().collect()
    return names.preferring(named["track"], names.find(named[where], start=start))


def match_tracks(plays: pl.LazyFrame, names: pl.DataFrame) -> pl.LazyFrame:
    """Tell of each play which track it is of.

    Parameters
    ----------
    plays
        With a column ``track``.
    names
        ``name``, as `one_spelling` writes it, and the data to look up: `TrackNames.table`.

    Returns
    -------
    matched
        The plays in their order with the columns of names but ``name``, null where the name stands for no track.
    """
    named, names = plays.with_columns(spelled("track").alias(KEY)), names.rename({"name": KEY})
    return named.join(names.lazy(), on=KEY, how="left", maintain_order="left").drop(KEY)


def own_names(track: Track) -> tuple[str, str, str]:
    """Give what a track may be called without a table: its id, its path, its file's name without the ending."""
    return track.track_id, _text(track.path), _text(track.path.stem)


def spelled(column: str) -> pl.Expr:
    """Write a column of names as `one_spelling` does."""
    return pl.col(column).cast(pl.String).map_batches(_spelled, return_dtype=pl.String, is_elementwise=True)


def _spelled(names: pl.Series) -> pl.Series:
    """Write names as `one_spelling` does, at next to no cost where all are ASCII."""
    odd = (names.str.len_bytes() != names.str.len_chars()).arg_true()
    return names.scatter(odd, names.gather(odd).str.normalize("NFC")) if len(odd) else names


def _rows(names: Sequence[str] | pl.Series, rows: Iterable[int | None]) -> pl.DataFrame:
    """Lay names out with the tracks that they stand for."""
    spelt = _spelled(pl.Series(names, dtype=pl.String))
    return pl.DataFrame({"name": spelt, "row": pl.Series(list(rows), dtype=pl.Int64)})


def _unshared(names: Sequence[str], rows: Iterable[int]) -> pl.DataFrame:
    """Keep the names that one track alone has."""
    return _rows(names, rows).filter(pl.len().over("name") == 1)


def _by_recording(names: Sequence[str], content_hashes: Iterable[str | None] | None) -> pl.DataFrame:
    """Lay names of files out, each once, with the first track of that name and how many recordings have it."""
    hashes = [None] * len(names) if content_hashes is None else list(content_hashes)
    table = _rows(names, range(len(names))).with_columns(content=pl.Series(hashes, dtype=pl.String))
    recording = pl.coalesce("content", pl.col("row").cast(pl.String))  # bytes that are not known are like no others
    return table.group_by("name", maintain_order=True).agg(pl.col("row").first(), n_recordings=recording.n_unique())


def _first_of(*tables: pl.DataFrame) -> pl.DataFrame:
    """Put tables of names together; of several rows of one name the first counts."""
    return pl.concat(tables).unique("name", keep="first", maintain_order=True)


def _path(cell: str, start: Path) -> Path:
    """Make out the path that a table writes, from a folder or as a URI."""
    return catalogue_path(cell) if "://" in cell else absolute(start / cell)


def _text(path: str | Path) -> str:
    """Write a path as a table holds it."""
    return one_spelling(os.fsencode(path).decode("utf-8", "replace"))
