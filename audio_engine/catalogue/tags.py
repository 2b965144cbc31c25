"""Tag reader: title, artist, album, genre, year and length of an audio file.

Tags are best effort: whatever is wrong with them, this returns what it could read and raises nothing. Text is returned
as one printable line. Read with mutagen (ID3v2, Vorbis comments, MP4, APEv2, ASF) and, in WAV, as RIFF INFO. If a file
has tags of several kinds, the first that has a field counts.
"""

import logging
import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from audio_engine.catalogue.riff_info import read_riff_info

logger = logging.getLogger(__name__)

MAX_CHARACTERS = 1_000  # of one tag; longer text is not a title
SEPARATOR = "; "  # between the values of a tag that has several

# The names of each field, best first: ID3v2, MP4, Vorbis comments and APEv2, ASF, RIFF. Compared without case.
NAMES: dict[str, tuple[str, ...]] = {
    "title": ("tit2", "©nam", "title", "inam"),
    "artist": (
        *("tpe1", "©art", "artist", "author", "iart"),
        *("tpe2", "aart", "albumartist", "album artist", "wm/albumartist"),
    ),
    "album": ("talb", "©alb", "album", "wm/albumtitle", "iprd"),
    "genre": ("tcon", "©gen", "genre", "wm/genre", "ignr"),
    "year": ("tdrc", "tdor", "©day", "date", "year", "originaldate", "wm/year", "icrd"),
}
KNOWN_NAMES = frozenset(name for names in NAMES.values() for name in names)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tags:
    """The tags of a file; an empty string or None where one is missing."""

    title: str = ""
    artist: str = ""
    album: str = ""
    genre: str = ""
    year: int | None = None
    duration_s: float | None = None  # seconds, as the container states it: not measured


def read_tags(path: Path) -> Tags:
    """Read the tags of an audio file.

    Parameters
    ----------
    path
        Any file. One that is not a regular file (a FIFO would wait for ever) has no tags.

    Returns
    -------
    tags
        Several values of one field are joined by ``"; "``. Empty where nothing could be read.
    """
    if not path.is_file():
        return Tags()
    from mutagen.apev2 import APEv2  # noqa: PLC0415  (what reads no tags starts without mutagen)

    file = open_tagged(path)
    kinds = (getattr(file, "tags", None), _read_or_none(APEv2, path), _read_or_none(read_riff_info, path))
    found: dict[str, str] = {}
    for tags in kinds:  # the last two stand beside others, or in files whose kind mutagen reads no other tags of
        found = _texts_by_name(tags) | found
    fields = {field: next((found[name] for name in names if found.get(name)), "") for field, names in NAMES.items()}
    return Tags(
        title=fields["title"],
        artist=fields["artist"],
        album=fields["album"],
        genre=fields["genre"],
        year=_year(fields["year"]),
        duration_s=_duration_s(file),
    )


def one_line(text: str) -> str:
    r"""Reduce text to one printable line: no NUL, line break, control character or lone surrogate.

    Examples
    --------
    >>> one_line("Dies\nirae\x00 ")
    'Dies irae'
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())[:MAX_CHARACTERS]
    text = text.encode("utf-8", "replace").decode("utf-8")
    text = "".join(" " if unicodedata.category(letter) in {"Cc", "Zl", "Zp"} else letter for letter in text)
    return " ".join(text.split())[:MAX_CHARACTERS]


def open_tagged(path: Path) -> Any:
    """Open a file with mutagen, by its name first, and if that misleads, by the first bytes; None where it cannot."""
    import mutagen  # noqa: PLC0415  (as above)

    for kinds in (None, _kinds_by_content()):
        try:
            return mutagen.File(path, options=kinds)
        except Exception as error:  # noqa: BLE001  (a damaged file makes mutagen raise anything: struct.error, KeyError, …)
            logger.debug("mutagen could not read %r: %s", path, error)
    return None


@cache
def _kinds_by_content() -> list[Any]:
    """List what mutagen can tell by the first bytes of a file."""
    from mutagen import aiff, asf, flac, id3, mp4, oggflac, oggopus, oggvorbis, wave  # noqa: PLC0415  (as above)

    containers = [oggvorbis.OggVorbis, oggopus.OggOpus, oggflac.OggFLAC, mp4.MP4, wave.WAVE, aiff.AIFF, asf.ASF]
    return [flac.FLAC, *containers, id3.ID3FileType]


def _read_or_none(read: Callable[[Path], Any], path: Path) -> Any:
    """Read tags of one kind; None where there are none, or damaged ones."""
    try:
        return read(path)
    except Exception as error:  # noqa: BLE001  (as above)
        logger.debug("no tags of %s in %r: %s", read.__name__, path, error)
        return None


def _texts_by_name(tags: Any) -> dict[str, str]:
    """Flatten the tags of any format to text by lower-case name, omitting damaged ones."""
    texts: dict[str, str] = {}
    for name in () if tags is None else list(tags.keys()):
        key = str(name).casefold()
        if key not in KNOWN_NAMES:
            continue
        try:
            text = SEPARATOR.join(dict.fromkeys(filter(None, map(one_line, _values(tags[name])))))
            texts |= {key: text} if text else {}
        except Exception as error:  # noqa: BLE001  (one damaged tag must not cost the others)
            logger.debug("mutagen could not read the tag %r: %s", name, error)
    return texts


def _values(tag: Any) -> Iterable[str]:
    """List the texts of one tag, whatever class its format uses."""
    texts = getattr(tag, "genres", None) or getattr(tag, "text", tag)  # ID3v2; its genre "(17)" is "Rock"
    return texts.split("\0") if isinstance(texts, str) else [str(text) for text in texts]


def _year(text: str) -> int | None:
    """Find the year in "1997", "1997-05-01", "19970501" or "May 1997"."""
    match = re.search(r"(?<!\d)(1[5-9]|20)\d\d(?=\D|$|\d{4}(?!\d))", text)
    return int(match.group()) if match else None


def _duration_s(file: Any) -> float | None:
    """Read the length that the container states; None if it states none or an impossible one."""
    length = getattr(getattr(file, "info", None), "length", None)
    if not isinstance(length, int | float) or not math.isfinite(length) or length <= 0:
        return None
    return float(length)
