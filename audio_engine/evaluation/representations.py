"""Audio representations compared in the evaluation of similarity, computed for whole and degraded tracks."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audio_engine.decoding.degradations import Waveform, encode_mp3, halves, muffled, noisy, quieter
from audio_engine.evaluation.baselines import mel_statistics, mfcc_statistics
from audio_engine.evaluation.genre.musicnn import SAMPLE_RATE as MUSICNN_RATE
from audio_engine.evaluation.genre.musicnn import describe_musicnn, is_installed
from features.decode import decode
from features.decode_errors import DecodeError
from features.segments import cut_segments
from metric_learning.embedder import Embedder
from metric_learning.encoder import AudioEncoder

logger = logging.getLogger(__name__)

MFCC, WIDE_MFCC, MEL = "MFCC", "MFCC at 44.1 kHz", "mel statistics"
MUSICNN, UNTRAINED, OURS = "MusiCNN", "untrained", "ours"
NARROW_RATE, WIDE_RATE = 22_050, 44_100  # Hz; of the baseline methods: librosa's default, and the full band
MP3_SAMPLE_RATE = 44_100  # Hz
NOISE_SEED = 0

Vectors = NDArray[np.floating]


class Version(StrEnum):
    """The degradation of a track before it is described."""

    WHOLE = "whole"
    MP3 = "mp3"
    QUIETER = "quieter"
    MUFFLED = "muffled"
    NOISY = "noisy"
    FIRST_HALF = "first half"
    SECOND_HALF = "second half"


Described = dict[tuple[str, Version], Vectors]  # one track: (dim,) each, by the method's name


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to turn waveforms into vectors."""

    name: str
    sample_rate: int  # Hz
    describe: Callable[[Sequence[Waveform]], Vectors]  # waveforms to (n_waveforms, dim)
    is_scaled: bool  # each number is z-scored over the evaluated tracks
    versions: tuple[Version, ...]  # of each track: all, or only the whole if robustness is not measured


def methods(embedder: Embedder, seed: int) -> list[Method]:
    """List the methods, ours last; MusiCNN only where its package is installed."""
    musicnn = Method(
        name=MUSICNN,
        sample_rate=MUSICNN_RATE,
        describe=lambda waveforms: describe_musicnn(waveforms, MUSICNN_RATE),
        is_scaled=True,
        versions=(Version.WHOLE,),
    )
    return [
        _plain_method(MFCC, mfcc_statistics, sample_rate=NARROW_RATE, versions=tuple(Version)),
        _plain_method(WIDE_MFCC, mfcc_statistics, sample_rate=WIDE_RATE),
        _plain_method(MEL, mel_statistics, sample_rate=NARROW_RATE),
        *([musicnn] if is_installed() else []),
        _encoder_method(UNTRAINED, untrained_copy(embedder, seed)),
        _encoder_method(OURS, embedder, versions=tuple(Version)),
    ]


def describe(files: Sequence[Path], by: Sequence[Method]) -> Iterator[Described | Exception]:
    """Decode each file once for all methods; yields the vectors of each, or the error of an unreadable one."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, track in enumerate(pool.map(lambda file: _described(file, by), files), 1):
            logger.info("described %d of %d tracks", number, len(files))
            yield track


def by_method(tracks: Sequence[Described], by: Sequence[Method]) -> Iterator[tuple[Method, dict[Version, Vectors]]]:
    """Yield each method with its vectors (n_tracks, dim) of each version."""
    for method in by:
        vectors_of = {
            version: np.stack([track[method.name, version] for track in tracks]) for version in method.versions
        }
        yield method, _scaled(vectors_of) if method.is_scaled else vectors_of


def _described(file: Path, by: Sequence[Method]) -> Described | Exception:
    """Describe one track, unless it cannot be read."""
    try:
        return _describe_file(file, by)
    except (DecodeError, OSError) as error:
        return error


def _describe_file(file: Path, by: Sequence[Method]) -> Described:
    """Return the vector of each version of one track, by each method."""
    version_at = _versions(file)
    return {
        (method.name, version): vector
        for method in by
        for version, vector in zip(
            method.versions,
            method.describe([version_at(version, method.sample_rate) for version in method.versions]),
            strict=True,
        )
    }


def _versions(file: Path) -> Callable[[Version, int], Waveform]:
    """Return a function that degrades a track at a sample rate, decoding and encoding at most once."""
    whole = cache(lambda sample_rate: decode(file, sample_rate))
    mp3 = cache(lambda: encode_mp3(whole(MP3_SAMPLE_RATE), MP3_SAMPLE_RATE))
    make: dict[Version, Callable[[int], Waveform]] = {
        Version.WHOLE: whole,
        Version.MP3: lambda sample_rate: decode(mp3(), sample_rate),
        Version.QUIETER: lambda sample_rate: quieter(whole(sample_rate)),
        Version.MUFFLED: lambda sample_rate: muffled(whole(sample_rate), sample_rate),
        Version.NOISY: lambda sample_rate: noisy(whole(sample_rate), seed=NOISE_SEED),
        Version.FIRST_HALF: lambda sample_rate: halves(whole(sample_rate))[0],
        Version.SECOND_HALF: lambda sample_rate: halves(whole(sample_rate))[1],
    }
    return cache(lambda version, sample_rate: make[version](sample_rate))


def _plain_method(
    name: str,
    statistics: Callable[[Waveform, int], NDArray[np.float64]],
    *,
    sample_rate: int,
    versions: tuple[Version, ...] = (Version.WHOLE,),
) -> Method:
    return Method(
        name=name,
        sample_rate=sample_rate,
        describe=lambda waveforms: np.stack([statistics(waveform, sample_rate) for waveform in waveforms]),
        is_scaled=True,
        versions=versions,
    )


def _encoder_method(name: str, embedder: Embedder, *, versions: tuple[Version, ...] = (Version.WHOLE,)) -> Method:
    recipe = embedder.recipe
    return Method(
        name=name,
        sample_rate=recipe.sample_rate,
        describe=lambda waveforms: embedder.embed(np.stack([cut_segments(each, recipe) for each in waveforms])),
        is_scaled=False,
        versions=versions,
    )


def untrained_copy(embedder: Embedder, seed: int) -> Embedder:
    """Return a copy of the network with its initial, untrained weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = AudioEncoder(embedder.encoder.config)
    return Embedder(encoder, recipe=embedder.recipe, model_id=UNTRAINED, device=str(embedder.device))


def _scaled(vectors: dict[Version, Vectors]) -> dict[Version, Vectors]:
    """Scale each number to mean 0 and deviation 1 over the whole tracks; degraded versions are scaled the same."""
    mean, deviation = vectors[Version.WHOLE].mean(axis=0), vectors[Version.WHOLE].std(axis=0)
    return {version: (each - mean) / np.where(deviation > 0, deviation, 1) for version, each in vectors.items()}
