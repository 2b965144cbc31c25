"""File type detection from the first bytes, never from the file name."""

SNIFF_BYTES = 64
OPUS_MARK = b"OpusHead"  # the first packet of an Ogg Opus stream, at byte 28
SNDFILE_MAGICS = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"fLaC", b"OggS", b"ID3", b".snd", b"caff")


def is_audio(head: bytes) -> bool:
    """Return whether the first bytes identify an audio file without its name.

    Examples
    --------
    >>> is_audio(b"fLaC" + bytes(60)), is_audio(b"%PDF-1.7")
    (True, False)
    """
    return (
        head.startswith((b"fLaC", b"OggS", b"ID3", b".snd", b"caff", b"MAC ", b"wvpk", b"DSD ", b"TTA1", b"tBaK"))
        or (head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE")
        or (head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"))
        or head[4:12] in (b"ftypM4A ", b"ftypM4B ")
        or _is_mpeg_frame(head)
    )


def libsndfile_first(head: bytes) -> bool:
    """Return whether to try libsndfile before FFmpeg.

    libsndfile 1.2.2 misreads Ogg Opus (it rejects some files at the end, returns others short without an error, and
    fails to seek), so Opus goes to FFmpeg first; everything else that libsndfile knows goes to libsndfile.
    """
    if head.startswith(b"OggS"):
        return OPUS_MARK not in head
    return head.startswith(SNDFILE_MAGICS) or _is_mpeg_frame(head)


def _is_mpeg_frame(head: bytes) -> bool:
    """Recognise an MPEG audio frame header of layer II or III (AAC has layer bits 00, UTF-16 text reads as layer I)."""
    return (
        len(head) > 2
        and head[0] == 0xFF
        and head[1] & 0xE0 == 0xE0
        and head[1] & 0x06 in (0x02, 0x04)
        and head[2] >> 4 not in (0, 15)  # bit rate: free or forbidden
        and head[2] & 0x0C != 0x0C  # sample rate: reserved
    )
