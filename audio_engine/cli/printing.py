"""What the command line says: tables for people, JSON lines for programs, words on stderr.

The rule kept: whatever a tag or a file name holds, what is printed is valid text, one line a cell, and moves no cursor.
"""

import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audio_engine.catalogue.track import Track
    from audio_engine.info import Info
    from audio_engine.search.neighbours import Neighbour

NARROW = 80  # columns; a terminal with fewer gets no column of paths
NO_LIMIT = 100_000  # columns; what is piped is never cut
RIGHT = frozenset({"rank", "score", "similarity", "length"})  # headings of columns that are aligned at their right end
UNSPLIT = RIGHT | {"id"}  # headings of columns that are never folded
INFO_WORDS = {  # what a person reads for a field of `Info`; the others are named as they are
    "n_tracks": "tracks",
    "n_failed": "files that failed",
    "n_with_warnings": "files with warnings",
    "n_pending": "tracks to embed again",
    "model_id": "model",
    "target_model_id": "moving to model",
    "shipped_model_id": "model that ships",
    "dim": "numbers in a vector",
    "index_kind": "index",
    "index_recall": "true neighbours found",
    "index_bytes": "memory of the index",
    "catalogue_bytes": "size on disk",
}
UNSAFE_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, halves of surrogate pairs, line separators
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # make a line read backwards


def printable(text: object) -> str:
    r"""Write out what must not reach a terminal as it is: controls, line breaks, bytes that are not UTF-8.

    Examples
    --------
    >>> print(printable("a\nb\x1b[2J \udcff é 🎵"))
    a\nb\x1b[2J \xff é 🎵
    """
    return "".join(_escaped(letter) for letter in str(text))


def length(duration_s: float | None) -> str:
    """Write a length as people do.

    Examples
    --------
    >>> length(65.4), length(3_600), length(None)
    ('1:05', '1:00:00', '')
    """
    if duration_s is None:
        return ""
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def say(words: str) -> None:
    """Say something to the person, on stderr."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


def put(words: str) -> None:
    """Put a line on stdout."""
    sys.stdout.write(f"{words}\n")


def put_json(values: Mapping[str, object]) -> None:
    """Put one JSON object on one line of stdout: ASCII, so that it is the same under every locale."""
    put(json.dumps({name: _json_value(value) for name, value in values.items()}))


def put_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Put a table on stdout: as wide as the terminal (a narrow one gets no last column of paths), whole when piped."""
    from rich import box  # noqa: PLC0415  (so that help is instant)
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    is_terminal = sys.stdout.isatty()
    console = Console(width=None if is_terminal else NO_LIMIT, highlight=False)
    n_columns = len(headings) - (is_terminal and console.width < NARROW and headings[-1] == "path")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings[:n_columns]:
        table.add_column(
            heading,
            justify="right" if heading in RIGHT else "left",
            no_wrap=heading in UNSPLIT,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row[:n_columns]))
    with console.capture() as captured:
        console.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    put("\n".join(line for line in lines if line))


def put_tracks(tracks: Sequence["Track"], *, as_json: bool) -> None:
    """Put tracks on stdout."""
    if as_json:
        for track in tracks:
            put_json(track_values(track))
    else:
        has_genres = any(track.genre_predicted for track in tracks)  # a column of its own, once there are some
        rows = (
            (track.track_id, *_name_cells(track), *[track.genre_predicted] * has_genres, short_path(track.path))
            for track in tracks
        )
        put_table(("id", "artist", "title", "length", *["genre"] * has_genres, "path"), rows)


def put_errors(tracks: Sequence["Track"], *, as_json: bool) -> None:
    """Put failed tracks on stdout, with the reasons."""
    if as_json:
        for track in tracks:
            put_json({"track_id": track.track_id, "path": track.path, "error": track.error})
    else:
        rows = ((track.track_id, short_path(track.path), track.error) for track in tracks)
        put_table(("id", "path", "error"), rows)


def put_warnings(tracks: Sequence["Track"], *, as_json: bool) -> None:
    """Put embedded tracks on stdout, with what decoding lost or mended: a line a warning."""
    lines = [(track.track_id, track.path, warning) for track in tracks for warning in track.warnings]
    if as_json:
        for track_id, path, warning in lines:
            put_json({"track_id": track_id, "path": path, "warning": warning})
    elif lines:
        put_table(("id", "path", "warning"), ((track_id, short_path(path), text) for track_id, path, text in lines))
    else:
        say("no track has a warning")


def put_neighbours(neighbours: Sequence["Neighbour"], *, as_json: bool, asked: "Track | None" = None) -> None:
    """Put an answer on stdout; the copies of one recording share a line, which names the track asked for if given."""
    question = {} if asked is None else {"asked": {"track_id": asked.track_id, "path": _utf8(asked.path)}}
    for neighbour in neighbours if as_json else ():
        copies = [{"track_id": copy.track_id, "path": _utf8(copy.path)} for copy in neighbour.copies]
        place = {"rank": neighbour.rank, "similarity": round(neighbour.similarity, 6)}
        put_json(question | place | track_values(neighbour.track) | {"copies": copies})
    if not as_json:
        put_table(("rank", "similarity", "artist", "title", "length", "path"), map(_neighbour_cells, neighbours))


def put_info(info: "Info", *, as_json: bool) -> None:
    """Put on stdout what a catalogue is."""
    values = asdict(info)
    if as_json:
        put_json(values)
        return
    from rich.filesize import decimal  # noqa: PLC0415  (so that help is instant)

    for name, value in values.items():
        if value is None:
            continue
        shown = value
        if isinstance(value, dict):
            shown = ", ".join(f"{key.replace('_', ' ')} {number}" for key, number in value.items())
        elif name.endswith("_bytes"):
            shown = decimal(value)
        put(f"{INFO_WORDS.get(name, name):<22}  {printable(shown)}")


def track_values(track: "Track") -> dict[str, object]:
    """Lay out a track for a program."""
    values = {"track_id": track.track_id, "path": track.path, **asdict(track.tags)}
    values |= {"genre_predicted": track.genre_predicted, "genre_probability": track.genre_probability}
    values |= {**asdict(track.description), "camelot": track.description.camelot}
    return (
        values
        | {"status": track.status, "error": track.error, "embedded_at": track.embedded_at}
        | {"warnings": list(track.warnings)}
    )


def short_path(path: Path) -> str:
    """Write a path as seen from here where it lies below, else whole."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _neighbour_cells(neighbour: "Neighbour") -> tuple[object, ...]:
    """Lay out one line of an answer."""
    more = f" (+{len(neighbour.copies)} more of it)" if neighbour.copies else ""
    artist, title, duration = _name_cells(neighbour.track)
    return (
        neighbour.rank,
        f"{neighbour.similarity:.3f}",
        artist,
        f"{title}{more}",
        duration,
        short_path(neighbour.track.path),
    )


def _name_cells(track: "Track") -> tuple[str, str, str]:
    """Lay out who, what and how long; a track without a title goes by the name of its file."""
    return track.tags.artist, track.tags.title or track.path.stem, length(track.tags.duration_s)


def _escaped(letter: str) -> str:
    """Write one letter out where it is unsafe; a half of a surrogate pair stands for a byte that is not UTF-8."""
    if unicodedata.category(letter) not in UNSAFE_CATEGORIES and letter not in TURNING:
        return letter
    if "\udc80" <= letter <= "\udcff":
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode("ascii")


def _json_value(value: object) -> object:
    """Make a value fit for JSON that every reader takes."""
    return _utf8(value) if isinstance(value, str | Path) else value


def _utf8(text: str | Path) -> str:
    """Replace bytes that are not UTF-8: most readers of JSON refuse them."""
    content = os.fsencode(text) if isinstance(text, Path) else text.encode("utf-8", "replace")
    return content.decode("utf-8", "replace")


def number(value: object) -> str:
    """Write a number or a truth value as people do, and anything else as it is."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if 1e3 <= abs(value) < 1e15 else f"{value:.4g}"
    return "" if value is None else str(value)
