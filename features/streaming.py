"""The segments of a track whose declared length is not to be trusted: decoded from its beginning, block by block.

Twice: once to learn how much is there and where it sounds, once to keep the segments; memory holds those and one block.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from features.decode_errors import DecodeError, TooLongError
from features.mixing import Samples, concatenated
from features.readers import Reader
from features.recipe import MelRecipe
from features.resample import resample
from features.segments import tile
from features.sounding import Levels, Span, cell_levels, cell_samples, rescaled, sounding_spans
from features.track_segments import Cut, Segments, as_track, ceiling_of, cut_pieces, placed, require_length

OpenReader = Callable[[BinaryIO], Reader]

LENGTH_SLACK_S = 1.0  # seconds by which a file may miss its declared length without a word


@dataclass(frozen=True, kw_only=True, eq=False)
class _Measured:
    """What decoding a whole file once has told."""

    open_reader: OpenReader
    n_samples: int  # at the file's own rate
    sample_rate: int  # Hz
    declared: int | None  # samples that it says it holds
    levels: Levels  # of each cell

    @property
    def duration_s(self) -> float:
        return self.n_samples / self.sample_rate


def by_true_length(
    file: BinaryIO, readers: list[OpenReader], recipe: MelRecipe, *, refusals: list[str], max_duration_s: float
) -> Segments:
    """Cut the segments out of what the reader gives that reads farthest.

    Parameters
    ----------
    file
        Open, able to seek.
    readers
        To be tried, the better first.
    recipe
        Gives the number of segments and their length.
    refusals
        Why decoders gave up; more are appended.
    max_duration_s
        Seconds that are decoded at most.

    Raises
    ------
    DecodeError
        When no reader gives a sample, or too few.
    TooLongError
        When there is more.
    """
    tried = [_measured(file, open_reader, refusals, max_duration_s) for open_reader in readers]
    measured = [found for found in tried if found]
    if not measured:
        raise DecodeError(summary(refusals))
    best = max(measured, key=lambda found: found.duration_s)  # of equals, the first
    n_samples = round(best.duration_s * recipe.sample_rate)
    require_length(n_samples, recipe)
    losses: tuple[str, ...] = ()

    def cut(spans: list[Span]) -> Cut:
        nonlocal losses
        with closing(best.open_reader(_rewound(file))) as reader:
            kept = _cut_from_blocks(reader, spans, recipe)
            losses = reader.warnings()
        return kept

    def sounding() -> list[Span]:
        spans = sounding_spans(best.levels, best.n_samples, best.sample_rate)
        return rescaled(spans, best.sample_rate, recipe.sample_rate)

    placed_cut = placed(cut, sounding, n_samples=n_samples, recipe=recipe)
    losses = (*_length_losses(best), *losses)
    return as_track(placed_cut, n_samples, recipe, source_rate=best.sample_rate, losses=losses)


def readable_blocks(reader: Reader, refusals: list[str]) -> Iterator[Samples]:
    """Blocks up to the first that cannot be read; why it ended goes to the refusals."""
    try:
        yield from reader.blocks()
    except DecodeError as error:
        refusals.append(str(error))


def summary(refusals: list[str]) -> str:
    """Say what all decoders said, each once."""
    return "; ".join(dict.fromkeys(refusals)) or "it holds no sound"


def require_at_most(max_duration_s: float, n_samples: int, reader: Reader) -> None:
    """Refuse what lasts longer than it may."""
    if n_samples > max_duration_s * reader.sample_rate:
        raise TooLongError(
            f"it must last at most {max_duration_s:g} s, got {n_samples / reader.sample_rate:.0f} s or more"
        )


def _measured(file: BinaryIO, open_reader: OpenReader, refusals: list[str], max_duration_s: float) -> _Measured | None:
    """Decode a file once; None where nothing comes of it, and why goes to the refusals."""
    n_samples = 0
    levels: list[Levels] = []
    rest = np.zeros((0, 1), np.float32)
    try:
        with closing(open_reader(_rewound(file))) as reader:
            cell = cell_samples(reader.sample_rate)
            for block in readable_blocks(reader, refusals):
                n_samples += len(block)
                require_at_most(max_duration_s, n_samples, reader)
                waiting = concatenated([rest, block])
                n_whole = len(waiting) // cell * cell
                levels.append(cell_levels(waiting[:n_whole], reader.sample_rate))
                rest = waiting[n_whole:]
    except TooLongError:
        raise
    except DecodeError as error:
        refusals.append(str(error))
        return None
    levels.append(cell_levels(rest, reader.sample_rate))
    return (
        _Measured(
            open_reader=open_reader,
            n_samples=n_samples,
            sample_rate=reader.sample_rate,
            declared=reader.n_samples,
            levels=np.concatenate(levels),
        )
        if n_samples
        else None
    )


def _length_losses(found: _Measured) -> tuple[str, ...]:
    """Say by how much a file misses the length that it declares."""
    if found.declared is None or abs(found.declared - found.n_samples) <= LENGTH_SLACK_S * found.sample_rate:
        return ()
    declared_s = found.declared / found.sample_rate
    return (f"it holds {found.duration_s:.1f} s, not the {declared_s:.1f} s that it declares",)


def _cut_from_blocks(reader: Reader, spans: list[Span], recipe: MelRecipe) -> Cut:
    """Keep the segments while the blocks go by."""
    ratio = reader.sample_rate / recipe.sample_rate
    sources = [
        (int(start * ratio), int(n_samples / recipe.sample_rate * reader.sample_rate)) for start, n_samples in spans
    ]
    kept: list[list[Samples]] = [[] for _ in spans]
    position = 0
    for block in readable_blocks(reader, []):
        for pieces, (start, length) in zip(kept, sources, strict=True):
            part = block[max(0, start - position) : max(0, start + length - position)]
            if len(part):
                pieces.append(part)
        position += len(block)

    def to_segment(number: int, piece: NDArray[np.float32]) -> NDArray[np.float32]:
        return tile(resample(piece, reader.sample_rate, recipe.sample_rate), recipe)

    joined = [concatenated(pieces) for pieces in kept]
    return cut_pieces(joined.__getitem__, spans, to_segment, ceiling=lambda: ceiling_of(reader))


def _rewound(file: BinaryIO) -> BinaryIO:
    file.seek(0)
    return file
