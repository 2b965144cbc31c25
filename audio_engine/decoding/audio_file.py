"""Audio file reading: the decoded segments and the tags of one file."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio_engine.catalogue.tags import Tags, read_tags
from features.recipe import MelRecipe


@dataclass(frozen=True, kw_only=True)
class SoundRead:
    """The content of one audio file."""

    segments: NDArray[np.float32]  # (n_segments, segment_samples)
    starts_s: tuple[float, ...]  # where each segment begins, seconds
    tags: Tags  # with the length measured by the decoder
    warnings: tuple[str, ...] = ()  # what was lost or mended in decoding, a sentence each


def read_sound(path: Path, recipe: MelRecipe, *, max_duration_s: float = math.inf) -> SoundRead:
    """Decode the segments of a file and read its tags.

    Raises
    ------
    TooLongError
        When it lasts longer than `max_duration_s`, seconds.
    DecodeError
        When no decoder can read it.
    OSError
        When the file cannot be opened.
    """
    from features.decode import decode_segments  # noqa: PLC0415  (loads the decoders)

    decoded = decode_segments(path, recipe, max_duration_s=max_duration_s)
    return SoundRead(
        segments=decoded.segments,
        starts_s=decoded.starts_s,
        tags=replace(read_tags(path), duration_s=decoded.duration_s),
        warnings=decoded.warnings,
    )
