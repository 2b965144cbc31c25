"""Writing tempo, key and genre into the tags of a track's file: other tags, and the sound, stay as they are.

A copy of the file gets the tags, is read back, and replaces the file at once: whoever reads the file meanwhile, or
after a kill, finds it whole. Whole numbers of beats are written, as ID3 and MP4 have them.
"""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from mutagen import MutagenError
from mutagen.aiff import AIFF
from mutagen.flac import FLAC
from mutagen.id3 import ID3, TBPM, TCON, TKEY
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4, MP4FreeForm
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from audio_engine.atomic_files import whole_file
from audio_engine.catalogue.tags import open_tagged, read_tags

Field = Literal["bpm", "key", "genre"]
UTF8 = 3  # ID3v2.4's number for it; mutagen writes UTF-16 where a file has ID3v2.3
OF_ID3: dict[Field, Any] = {"bpm": TBPM, "key": TKEY, "genre": TCON}
OF_VORBIS: dict[Field, str] = {"bpm": "bpm", "key": "initialkey", "genre": "genre"}
OF_MP4: dict[Field, str] = {"bpm": "tmpo", "key": "----:com.apple.iTunes:initialkey", "genre": "\xa9gen"}
WRITABLE = (FLAC, OggVorbis, OggOpus, OggFLAC, MP4, MP3, AIFF, WAVE)


class TagError(ValueError):
    """Tags that cannot be read, or written; the message says why, in one line."""


def fields_there(path: Path) -> dict[Field, str]:
    """Read the fields that a file has, as they stand there; a genre may stand in RIFF INFO or APEv2 alone.

    Raises
    ------
    TagError
        When it is of a kind that cannot be written, or damaged.
    OSError
        When it cannot be read.
    """
    there, genre = _fields_of(_open(path)), read_tags(path).genre
    return there if "genre" in there or not genre else there | {"genre": genre}


def write_fields(path: Path, fields: Mapping[Field, str]) -> None:
    """Write some fields into the tags of a file, which is replaced; links to it stay links.

    Parameters
    ----------
    path
        An audio file: MP3, FLAC, Ogg Vorbis, Opus, M4A, AIFF or WAV.
    fields
        ``bpm`` (a whole number), ``key`` and ``genre``, those that are to be written.

    Raises
    ------
    TagError
        As `fields_there`; when what was written does not read back.
    OSError
        When the file cannot be replaced.
    """
    real = path.resolve()
    kind = type(_open(real))
    with whole_file(real) as copy:
        shutil.copyfile(real, copy)
        _take_after(copy, real)
        try:
            _write(kind(copy), fields)
            there = _fields_of(kind(copy))
        except MutagenError as error:
            raise TagError(f"its tags cannot be written: {error}") from error
        if any(there.get(name) != text for name, text in fields.items()):
            raise TagError("what was written into a copy of it does not read back")


def _write(file: Any, fields: Mapping[Field, str]) -> None:
    """Write fields into an open file."""
    if file.tags is None:
        file.add_tags()
    for name, text in fields.items():
        _set(file, name, text)
    if _has_id3(file) and file.tags.version[:2] == (2, 3):  # old players read no newer version
        file.tags.update_to_v23()
        file.save(v2_version=3)
    else:
        file.save()


def _set(file: Any, name: Field, text: str) -> None:
    """Set one field as the kind of the file has it."""
    if _has_id3(file):
        frame = OF_ID3[name](encoding=UTF8, text=[text])
        file.tags.setall(frame.FrameID, [frame])
    elif _is_mp4(file):
        values = {"bpm": int(text) if name == "bpm" else 0, "key": _free_form(text), "genre": text}
        file.tags[OF_MP4[name]] = [values[name]]
    else:
        file.tags[OF_VORBIS[name]] = [text]


def _fields_of(file: Any) -> dict[Field, str]:
    """Read the fields of an open file."""
    found = {name: "; ".join(_values(file, name)) for name in OF_ID3} if file.tags is not None else {}
    return {name: text for name, text in found.items() if text}


def _values(file: Any, name: Field) -> list[str]:
    """List the texts of one field."""
    if _has_id3(file):
        frames = file.tags.getall(OF_ID3[name].__name__)
        return [str(text) for frame in frames for text in (frame.genres if name == "genre" else frame.text)]
    tag = (OF_MP4 if _is_mp4(file) else OF_VORBIS)[name]
    values = file.tags[tag] if tag in file.tags else []  # noqa: SIM401  (not all kinds of tags have `get`)
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values]


def _has_id3(file: Any) -> bool:
    return isinstance(file.tags, ID3)


def _is_mp4(file: Any) -> bool:
    return isinstance(file, MP4)


def _free_form(text: str) -> Any:
    """Wrap a text that MP4 has no tag of its own for."""
    kind: Any = MP4FreeForm
    return kind(text.encode())


def _open(path: Path) -> Any:
    """Open a file whose tags can be written."""
    file = open_tagged(path)
    if file is None:
        raise TagError("its tags cannot be read")
    if not isinstance(file, WRITABLE):
        raise TagError(f"tags are written to MP3, FLAC, Ogg, M4A, AIFF and WAV, got {type(file).__name__}")
    return file


def _take_after(copy: Path, original: Path) -> None:
    """Give a copy the rights, the extended attributes and, if we may, the owner of its original; not its time."""
    shutil.copystat(original, copy)
    os.utime(copy)
    with suppress(OSError, AttributeError):
        os.chown(copy, original.stat().st_uid, original.stat().st_gid)
