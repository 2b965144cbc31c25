"""Vectors of tracks by each encoder, clean and degraded, cached on disk.

Each file is decoded once at 44.1 kHz and degraded there, so that every encoder gets the same degradation; then it is
resampled for the encoder and cut. A track is described as ten 3-s segments, spread over the whole of it, or as a whole.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import numpy as np

from audio_engine.atomic_files import whole_file
from audio_engine.decoding.degradations import SPEED_STEP, Waveform, at_speed, encode_mp3, muffled, noisy, quieter
from audio_engine.evaluation.genre.choices import Unit
from audio_engine.evaluation.genre.encoders import GenreEncoder
from audio_engine.evaluation.representations import Vectors
from features.decode import decode
from features.decode_errors import DecodeError
from features.recipe import MelRecipe
from features.resample import resample
from features.segments import cut_segments

logger = logging.getLogger(__name__)

MASTER_RATE = 44_100  # Hz, at which a track is decoded and degraded
SEGMENT_S, N_SEGMENTS = 3.0, 10  # as in our recipe: the k-th is centred in the k-th of ten equal parts
CACHE_FORMAT = 1  # raise it whenever this module or a baseline returns different vectors
NOISE_SEED = 0


class Degradation(StrEnum):
    """The degradations of a track."""

    CLEAN = "clean"
    MP3 = "MP3 64 kbit/s"
    QUIETER = "-6 dB"
    MUFFLED = "below 4 kHz"
    FASTER = "+2 % speed"
    SLOWER = "-2 % speed"
    NOISY = "noise at 20 dB"


@dataclass(frozen=True, kw_only=True)
class TrackVectors:
    """The vectors of one track by one encoder."""

    vectors: dict[Degradation, Vectors]  # (n_units, dim) each
    cpu_s: float  # to describe the clean track at the encoder's rate


Described = dict[str, TrackVectors]  # by the encoder's name


def describe_tracks(
    files: Sequence[Path],
    encoders: Sequence[GenreEncoder],
    *,
    degradations: Sequence[Degradation],
    unit: Unit,
    cache_dir: Path,
) -> Iterator[Described | Exception]:
    """Describe each track by all encoders; yields the error of an unreadable file.

    Parameters
    ----------
    files
        Audio files.
    encoders
        All describe the same decoded audio.
    degradations
        Degradations of each track, including `Degradation.CLEAN`.
    unit
        Whether segments or whole tracks are described.
    cache_dir
        Cache of vectors by the content of the file, the encoder, the unit and the degradation.
    """
    for number, file in enumerate(files, 1):
        try:
            yield _describe_track(file, encoders, degradations, unit, cache_dir)
        except (DecodeError, OSError) as error:
            logger.info("left out %s: %s", file, error)
            yield error
        logger.info("described %d of %d tracks", number, len(files))


def cut(waveform: Waveform, sample_rate: int, unit: Unit) -> list[Waveform]:
    """Cut a track into the units to describe."""
    if unit is Unit.TRACK:
        return [waveform]
    recipe = MelRecipe(
        sample_rate=sample_rate, f_max=sample_rate / 2, segment_s=SEGMENT_S, n_segments=N_SEGMENTS
    )  # only the positions of segments are used
    return list(cut_segments(waveform, recipe))


def _describe_track(
    file: Path, encoders: Sequence[GenreEncoder], degradations: Sequence[Degradation], unit: Unit, cache_dir: Path
) -> Described:
    content = hashlib.sha256(file.read_bytes()).hexdigest()
    degraded = _degraded(file)
    described = {}
    for encoder in encoders:
        folder = cache_dir / f"{CACHE_FORMAT}-{encoder.key}" / unit
        found = {
            degradation: _cached(
                folder / f"{content}-{degradation.name.lower()}.npz", encoder, degraded, degradation, unit
            )
            for degradation in degradations
        }
        vectors = {degradation: each for degradation, (each, _) in found.items()}
        described[encoder.name] = TrackVectors(vectors=vectors, cpu_s=found[Degradation.CLEAN][1])
    return described


def _cached(
    file: Path, encoder: GenreEncoder, degraded: Callable[[Degradation], Waveform], degradation: Degradation, unit: Unit
) -> tuple[Vectors, float]:
    """Read vectors and their CPU time from the cache, or compute and store them."""
    if file.is_file():
        with np.load(file) as kept:
            return kept["vectors"], float(kept["cpu_s"])
    waveforms = cut(resample(degraded(degradation), MASTER_RATE, encoder.sample_rate), encoder.sample_rate, unit)
    start = time.process_time()
    vectors = encoder.describe(waveforms)
    cpu_s = time.process_time() - start
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as temporary, temporary.open("wb") as opened:
        np.savez(opened, vectors=vectors, cpu_s=cpu_s)
    return vectors, cpu_s


def _degraded(file: Path) -> Callable[[Degradation], Waveform]:
    """Return a function that degrades a track, each way once and on demand."""
    master = cache(lambda: decode(file, MASTER_RATE))
    make: dict[Degradation, Callable[[], Waveform]] = {
        Degradation.CLEAN: master,
        Degradation.MP3: lambda: decode(encode_mp3(master(), MASTER_RATE), MASTER_RATE),
        Degradation.QUIETER: lambda: quieter(master()),
        Degradation.MUFFLED: lambda: muffled(master(), MASTER_RATE),
        Degradation.FASTER: lambda: at_speed(master(), MASTER_RATE, 1 + SPEED_STEP),
        Degradation.SLOWER: lambda: at_speed(master(), MASTER_RATE, 1 - SPEED_STEP),
        Degradation.NOISY: lambda: noisy(master(), seed=NOISE_SEED),
    }
    return cache(lambda degradation: make[degradation]())
