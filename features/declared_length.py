"""Files that hold another length of sound than they declare, told by a few bytes of their end, without decoding.

Joined files (`cat a.mp3 b.mp3`), streams chained one after another, and MP3 whose bit rate changes with no head to say
so. An honest file costs a read or two; one that is suspected wrongly costs time, never a wrong answer.

References
----------
ISO/IEC 11172-3 (MPEG audio), 2.4.1.3 (frame header); G. Bouvigne, "MP3 Tech: the Xing and LAME tags"; RFC 9639 (FLAC),
9.1 (frame header); RFC 3533 (Ogg), 6 (page header).
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

TAIL_BYTES = 65_536  # of the end: an Ogg page fits, and nearly every FLAC frame
MIN_BEYOND = 8_192  # bytes behind the declared end that are worth a look: half a second of MP3
N_PLACES = 16  # where the bit rate of an MP3 without a head is looked at
PLACE_BYTES = 4_096  # there: two MPEG frames fit
N_IN_A_ROW = 3  # MPEG frames, each where the last one ends: no chance
FLAC_SLACK_S = 1.0  # seconds by which the last frame may miss the declared end

MP3_KBIT_S = {  # by version (1, or 2 and 2.5) and layer: bit rates, kbit/s
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
MPEG_RATES = {
    3: (44_100, 48_000, 32_000),
    2: (22_050, 24_000, 16_000),
    0: (11_025, 12_000, 8_000),
}  # by version bits, Hz


@dataclass(frozen=True, kw_only=True)
class MpegFrame:
    """The header of one MPEG audio frame of layer II or III."""

    kind: tuple[int, int, int]  # version bits, layer, sample rate in Hz: the same all through a stream
    kbit_s: int
    n_bytes: int
    info_at: int  # bytes from its beginning to where a Xing or Info head would stand


def misdeclares(file: BinaryIO) -> bool:
    """Say whether a file seems to hold more, or other, sound than its beginning declares.

    Parameters
    ----------
    file
        Open, able to seek; it is left anywhere.
    """
    size = file.seek(0, 2)
    start = after_id3(file, 0)
    head = bytes_at(file, start, 64)
    if head.startswith(b"OggS"):
        return _is_chained(head, bytes_at(file, max(0, size - TAIL_BYTES), TAIL_BYTES))
    if head.startswith(b"fLaC"):
        return _flac_ends_elsewhere(head, bytes_at(file, max(0, size - TAIL_BYTES), TAIL_BYTES))
    if is_adts(head):
        return _adts_changes_rate(head, bytes_at(file, max(0, size - TAIL_BYTES), TAIL_BYTES))
    return (start > 0 or mpeg_frame(head) is not None) and _mpeg_goes_on(file, start, size)


def mpeg_frame(head: bytes, at: int = 0) -> MpegFrame | None:
    """Read the header of an MPEG audio frame; None where there is none.

    Examples
    --------
    >>> frame = mpeg_frame(bytes([0xFF, 0xFB, 0x90, 0x00]))
    >>> frame.kind, frame.kbit_s, frame.n_bytes
    ((3, 3, 44100), 128, 417)
    """
    if len(head) < at + 4 or head[at] != 0xFF or head[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = head[at + 1] >> 3 & 3, 4 - (head[at + 1] >> 1 & 3)
    kbit, rate, padding = head[at + 2] >> 4, head[at + 2] >> 2 & 3, head[at + 2] >> 1 & 1
    if version == 1 or layer not in (2, 3) or kbit in (0, 15) or rate == 3:
        return None
    generation = 1 if version == 3 else 2
    kbit_s, rate_hz = MP3_KBIT_S[generation, layer][kbit - 1], MPEG_RATES[version][rate]
    slots = 72 if generation == 2 and layer == 3 else 144
    is_mono = head[at + 3] >> 6 == 3
    side_bytes = {(1, False): 32, (1, True): 17, (2, False): 17, (2, True): 9}[generation, is_mono]
    return MpegFrame(
        kind=(version, layer, rate_hz),
        kbit_s=kbit_s,
        n_bytes=slots * kbit_s * 1_000 // rate_hz + padding,
        info_at=4 + side_bytes,
    )


def bytes_at(file: BinaryIO, place: int, n_bytes: int) -> bytes:
    """Read some bytes from a place."""
    file.seek(place)
    return file.read(n_bytes)


def after_id3(file: BinaryIO, place: int) -> int:
    """Step over ID3v2 tags."""
    while (head := bytes_at(file, place, 10)).startswith(b"ID3") and len(head) == 10:
        size = 0
        for byte in head[6:10]:
            size = size << 7 | byte & 0x7F
        place += 10 + size + (10 if head[5] & 0x10 else 0)
    return place


def declared_mpeg(head: bytes, n_bytes: int) -> tuple[float, float] | None:
    """Work out the seconds that the head of an MP3 declares, and those that so many bytes hold of them.

    None where it is no MP3, or has no Xing, Info or VBRI head.
    """
    at = _first_frame(head)
    frame = None if at is None else mpeg_frame(head, at)
    if at is None or frame is None:
        return None
    declared, n_frames = _declared_bytes(head[at:], frame), _declared_frames(head[at:], frame)
    if not declared or not n_frames:
        return None
    version, layer, rate_hz = frame.kind
    declared_s = n_frames * (576 if layer == 3 and version != 3 else 1_152) / rate_hz
    return declared_s, declared_s * min(1.0, (n_bytes - at) / declared)


def _mpeg_goes_on(file: BinaryIO, start: int, size: int) -> bool:
    """Say whether MPEG frames stand behind the end that a head declares, or have other bit rates than the first."""
    head = bytes_at(file, start, PLACE_BYTES)
    at = _first_frame(head)
    frame = None if at is None else mpeg_frame(head, at)
    if at is None or frame is None:
        return False
    n_bytes = _declared_bytes(head[at:], frame)
    if n_bytes is None:
        places = [start + (size - start) * n // N_PLACES for n in range(1, N_PLACES)] + [size - PLACE_BYTES]
        return any(_has_other_rate(bytes_at(file, max(start, place), PLACE_BYTES), frame) for place in places)
    end = _after_tags(file, start + at + n_bytes)
    return size - end > MIN_BEYOND and _first_frame(bytes_at(file, after_id3(file, end), TAIL_BYTES)) is not None


def _declared_bytes(head: bytes, frame: MpegFrame) -> int | None:
    """Bytes from the first frame to the end, by the head inside it (Xing, Info or VBRI); None without one."""
    if head[frame.info_at : frame.info_at + 4] in (b"Xing", b"Info"):
        flags = int.from_bytes(head[frame.info_at + 4 : frame.info_at + 8])
        at = frame.info_at + 8 + 4 * (flags & 1)
        return int.from_bytes(head[at : at + 4]) if flags & 2 else None
    if head[36:40] == b"VBRI":
        return int.from_bytes(head[46:50])
    return None


def _declared_frames(head: bytes, frame: MpegFrame) -> int | None:
    """Count the frames by the head inside the first; None without one."""
    if head[frame.info_at : frame.info_at + 4] in (b"Xing", b"Info"):
        has_count = int.from_bytes(head[frame.info_at + 4 : frame.info_at + 8]) & 1
        return int.from_bytes(head[frame.info_at + 8 : frame.info_at + 12]) if has_count else None
    return int.from_bytes(head[50:54]) if head[36:40] == b"VBRI" else None


def _first_frame(head: bytes) -> int | None:
    """Find the first frame that is followed by others of its kind."""
    at = head.find(0xFF)
    while at >= 0:
        if _n_in_a_row(head, at) >= N_IN_A_ROW:
            return at
        at = head.find(0xFF, at + 1)
    return None


def _n_in_a_row(head: bytes, at: int) -> int:
    """Count frames of one kind, each where the last one ends; one that would begin beyond the bytes counts."""
    first = frame = mpeg_frame(head, at)
    n_frames = 0
    while frame and first and frame.kind == first.kind and n_frames < N_IN_A_ROW:
        n_frames, at = n_frames + 1, at + frame.n_bytes
        if at + 4 > len(head):
            return N_IN_A_ROW if n_frames > 1 else n_frames
        frame = mpeg_frame(head, at)
    return n_frames


def _has_other_rate(head: bytes, first: MpegFrame) -> bool:
    """Say whether the frames at a place have another bit rate, or are of another kind, than the first of the file."""
    at = _first_frame(head)
    frame = None if at is None else mpeg_frame(head, at)
    return frame is not None and (frame.kind, frame.kbit_s) != (first.kind, first.kbit_s)


def _after_tags(file: BinaryIO, place: int) -> int:
    """Step over an APE tag that begins here."""
    head = bytes_at(file, place, 32)
    if head.startswith(b"APETAGEX"):
        return place + 32 + int(struct.unpack_from("<I", head, 12)[0])
    return place


def is_adts(head: bytes, at: int = 0) -> bool:
    """Say whether an ADTS frame (raw AAC) begins here."""
    return len(head) > at + 6 and head[at] == 0xFF and head[at + 1] & 0xF6 == 0xF0 and head[at + 2] & 0x3C != 0x3C


def _adts_changes_rate(head: bytes, tail: bytes) -> bool:
    """Say whether the last ADTS frames have another sample rate than the first."""
    at = tail.find(0xFF)
    while at >= 0:
        n_bytes = (int.from_bytes(tail[at + 3 : at + 6]) >> 5 & 0x1FFF) if is_adts(tail, at) else 0
        if n_bytes > 7 and is_adts(tail, at + n_bytes) and tail[at + n_bytes + 2] == tail[at + 2]:
            return tail[at + 2] & 0x3C != head[2] & 0x3C
        at = tail.find(0xFF, at + 1)
    return False


def _is_chained(head: bytes, tail: bytes) -> bool:
    """Say whether the last Ogg page is of another stream than the first."""
    at = tail.rfind(b"OggS\0")
    return 0 <= at <= len(tail) - 18 and tail[at + 14 : at + 18] != head[14:18]


def _flac_ends_elsewhere(head: bytes, tail: bytes) -> bool:
    """Say whether the last FLAC frame lies somewhere else than at the declared end."""
    block_samples = int.from_bytes(head[8:10])
    bits = int.from_bytes(head[18:26])  # sample rate 20, channels 3, bits a sample 5, samples 36
    rate, n_samples = bits >> 44, bits & (1 << 36) - 1
    last = _last_flac_sample(tail, block_samples)
    return bool(rate and n_samples) and last is not None and abs(last - n_samples) > FLAC_SLACK_S * rate + block_samples


def _last_flac_sample(tail: bytes, block_samples: int) -> int | None:
    """Where the last frame begins, samples, by the number in its header; None where no header is found."""
    at = len(tail)
    while (at := max(tail.rfind(b"\xff\xf8", 0, at), tail.rfind(b"\xff\xf9", 0, at))) >= 0:
        number, n_bytes = _coded_number(tail[at + 4 : at + 11])
        code = tail[at + 2] if at + 2 < len(tail) else 0
        n_header = 4 + n_bytes + {6: 1, 7: 2}.get(code >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(code & 15, 0)
        if n_bytes and at + n_header < len(tail) and _crc8(tail[at : at + n_header]) == tail[at + n_header]:
            return number if tail[at + 1] & 1 else number * block_samples
    return None


def _coded_number(coded: bytes) -> tuple[int, int]:
    """Read a number coded as in UTF-8, up to seven bytes; it and how many bytes, 0 where it is none."""
    if not coded:
        return 0, 0
    n_ones = next((n for n in range(8) if not coded[0] << n & 0x80), 8)
    n_bytes = n_ones or 1
    rest = coded[1:n_bytes]
    if n_ones in (1, 8) or len(rest) < n_bytes - 1 or any(byte & 0xC0 != 0x80 for byte in rest):
        return 0, 0
    number = coded[0] & (0x7F >> n_ones)
    for byte in rest:
        number = number << 6 | byte & 0x3F
    return number, n_bytes


def _crc8(header: bytes) -> int:
    """Checksum of a FLAC frame header (RFC 9639, 9.1.8: polynomial 7)."""
    crc = 0
    for byte in header:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 7 if crc & 0x80 else crc << 1) & 0xFF
    return crc
