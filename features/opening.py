"""Which decoders may read a file, told by its content."""

from typing import BinaryIO

from features.declared_length import misdeclares
from features.decode_errors import DecodeError
from features.ogg_chain import ChainReader
from features.readers import FfmpegReader, SndfileReader
from features.sniff import SNIFF_BYTES, libsndfile_first
from features.streaming import OpenReader


def readers_of(file: BinaryIO) -> tuple[list[OpenReader], bool]:
    """List what may read a file, the better first, and say whether the length that it declares may be trusted.

    Where it may not, FFmpeg goes first, for it reads to the end; libsndfile stops at the declared one.

    Raises
    ------
    DecodeError
        When the file is empty.
    """
    file.seek(0)
    head = file.read(SNIFF_BYTES)
    if not head:
        raise DecodeError("the file is empty")
    if misdeclares(file):
        chain: list[OpenReader] = [ChainReader] if head.startswith(b"OggS") else []
        return [*chain, FfmpegReader, SndfileReader], False
    return ([SndfileReader, FfmpegReader] if libsndfile_first(head) else [FfmpegReader, SndfileReader]), True
