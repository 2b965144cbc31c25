"""A chained Ogg file, link after link: each is a file of its own, with its own sample rate and number of channels.

Neither libsndfile nor FFmpeg reads on where the sample rate changes from link to link.

References
----------
S. Pfeiffer, The Ogg Encapsulation Format Version 0, RFC 3533, 2003, section 4: chaining.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from typing import BinaryIO

from features.decode_errors import DecodeError
from features.mixing import Samples
from features.readers import FfmpegReader, Reader
from features.resample import resample

FIRST_PAGE = re.compile(rb"OggS\x00[\x02\x03\x06\x07]")  # of a stream, by its flags
PAGE_HEAD_BYTES = 27


class ChainReader:
    """All links of a chained Ogg file, at the sample rate of the first; it cannot seek."""

    n_samples: int | None = None
    is_float_pcm = False

    def __init__(self, file: BinaryIO, open_link: Callable[[BinaryIO], Reader] = FfmpegReader) -> None:
        content = file.read()
        starts = link_starts(content)
        if len(starts) < 2:
            raise DecodeError("it is no chain of Ogg streams")
        ends = [*starts[1:], len(content)]
        self._links = [content[start:end] for start, end in zip(starts, ends, strict=True)]
        self._open_link = open_link
        self._rates: list[int] = []
        with closing(open_link(BytesIO(self._links[0]))) as first:
            self.sample_rate: int = first.sample_rate

    def close(self) -> None:
        """Let go of the links."""
        self._links = []

    def read(self, start: int, n_samples: int) -> Samples:
        """Refuse: a chain is read from its beginning."""
        raise DecodeError("a chain of Ogg streams cannot be seeked")

    def blocks(self) -> Iterator[Samples]:
        """Decode one link after another."""
        for link in self._links:
            with closing(self._open_link(BytesIO(link))) as reader:
                self._rates.append(reader.sample_rate)
                for block in reader.blocks():
                    yield resample(block, reader.sample_rate, self.sample_rate)

    def warnings(self) -> tuple[str, ...]:
        """Say that the sample rate changes."""
        if len(set(self._rates)) < 2:
            return ()
        return (f"its sample rate changes on the way: {', '.join(map(str, sorted(set(self._rates))))} Hz",)


def link_starts(content: bytes) -> list[int]:
    """Find where each link begins: at the first page of a stream that does not follow that of another (multiplexed)."""
    starts, end = [], -1
    for match in FIRST_PAGE.finditer(content):
        if match.start() != end:
            starts.append(match.start())
        laces_at = match.start() + PAGE_HEAD_BYTES
        laces = content[laces_at : laces_at + content[laces_at - 1]] if laces_at <= len(content) else b""
        end = laces_at + len(laces) + sum(laces)
    return starts
