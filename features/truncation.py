"""Files that were cut short, as by a broken download or a full disk: told by a few bytes, without decoding.

WAV and MP3 say at their beginning how many bytes follow (an MP3 where a Xing, Info or VBRI head is in its first frame);
the last page of an Ogg stream is marked as such. FLAC is looked at by `declared_length`.

References
----------
Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0" (RIFF, WAVE); EBU Tech 3306 (RF64);
RFC 3533 (Ogg), 6 (page header); for MP3 see `declared_length`.
"""

from typing import BinaryIO

from features.declared_length import PLACE_BYTES, TAIL_BYTES, after_id3, bytes_at, declared_mpeg

SLACK_S = 1.0  # seconds that may be missing without a word
NO_SIZE = 0x7FFFF000  # bytes from which on the size of a WAV's sound says that its writer did not know it: sox, FFmpeg
N_CHUNKS = 64  # of a WAV that are looked at
END_OF_STREAM = 4  # a bit of the third field of an Ogg page


def truncation_of(file: BinaryIO, duration_s: float) -> str:
    """Say how a file was cut short, in a sentence; empty where it was not, or where its format does not tell.

    Parameters
    ----------
    file
        Open, able to seek; it is left anywhere.
    duration_s
        Seconds that could be read.
    """
    size = file.seek(0, 2)
    start = after_id3(file, 0)
    head = bytes_at(file, start, 12)
    if head.startswith(b"OggS"):
        lacks_end = _lacks_last_page(bytes_at(file, max(0, size - TAIL_BYTES), TAIL_BYTES))
        return f"it was cut short after {duration_s:.1f} s: its last page is missing" if lacks_end else ""
    if head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE":
        found = _riff_seconds(file, start + len(head), size)
    else:
        found = declared_mpeg(bytes_at(file, start, PLACE_BYTES), size - start)
    declared_s, held_s = found or (0.0, 0.0)
    if declared_s - held_s <= SLACK_S:
        return ""
    return f"it was cut short: it holds {held_s:.1f} s, not the {declared_s:.1f} s that it declares"


def _riff_seconds(file: BinaryIO, place: int, size: int) -> tuple[float, float] | None:
    """Seconds that the chunks of a WAV declare, and that are there; None where they do not tell."""
    bytes_a_second = long_size = 0
    for _ in range(N_CHUNKS):
        chunk = bytes_at(file, place, 24)  # name, size, and of "fmt " and "ds64" the first 16 bytes
        n_bytes = int.from_bytes(chunk[4:8], "little")
        if len(chunk) < 8:
            return None
        if chunk.startswith(b"data"):
            declared = long_size or (n_bytes if n_bytes < NO_SIZE else 0)
            return (declared / bytes_a_second, (size - place - 8) / bytes_a_second) if bytes_a_second else None
        if chunk.startswith(b"fmt "):
            bytes_a_second = int.from_bytes(chunk[16:20], "little")
        if chunk.startswith(b"ds64"):
            long_size = int.from_bytes(chunk[16:24], "little")
        place += 8 + n_bytes + n_bytes % 2
    return None


def _lacks_last_page(tail: bytes) -> bool:
    """Say whether the last Ogg page is not marked as such, or not there to its end."""
    at = tail.rfind(b"OggS\0")
    if not 0 <= at <= len(tail) - 27:
        return at >= 0
    sizes = tail[at + 27 : at + 27 + tail[at + 26]]
    end = at + 27 + tail[at + 26] + sum(sizes)
    return not tail[at + 5] & END_OF_STREAM or end > len(tail)
