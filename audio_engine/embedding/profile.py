"""Embedding profile: the CPU time of each stage on a few files, one after another.

Nothing is kept: the vectors are written to a temporary catalogue.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.tags import read_tags
from audio_engine.catalogue.track import Embedded
from audio_engine.embedding.reading import content_hash_of
from features.decode import WHOLE_IF_UNDER, Segments, decode_segments
from features.decode_errors import DecodeError
from features.recipe import MelRecipe
from features.resample import resample

if TYPE_CHECKING:
    from metric_learning.embedder import Embedder

N_FILES = 24  # maximum number of files used, evenly spread over the list
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """CPU seconds a track, by stage."""

    read: float  # all bytes of the file hashed, and its tags read
    decode: float
    resample: float
    mel: float
    network: float
    write: float  # in a batch of one: an upper bound

    @property
    def total(self) -> float:
        """All stages together."""
        return float(sum(astuple(self)))

    @property
    def decode_share(self) -> float:
        """Rate of all stages over the rate of decoding and resampling alone."""
        return (self.decode + self.resample) / self.total


def profile_embedding(paths: Sequence[Path], embedder: "Embedder") -> Profile:
    """Measure the stages of embedding on one core.

    Parameters
    ----------
    paths
        Audio files; those that cannot be decoded are skipped.
    embedder
        Computes the vectors.

    Raises
    ------
    DecodeError
        When none of them can be decoded.
    """
    places = np.unique(np.linspace(0, len(paths) - 1, min(N_FILES, len(paths))).astype(int))
    chosen = [paths[place] for place in places]
    rows = []
    with tempfile.TemporaryDirectory() as folder, Catalogue(Path(folder)) as catalogue, embedder.one_thread_a_track():
        for path in [*chosen[:1], *chosen]:  # the first twice: once to warm up
            try:
                rows.append(_stages(path, embedder, catalogue))
            except (DecodeError, OSError):
                continue
    if not rows:
        raise DecodeError(f"paths must hold a file that can be decoded, got none among {len(chosen)} that were tried")
    means = np.mean([astuple(row) for row in rows[1:] or rows], axis=0).tolist()
    return Profile(**dict(zip(Profile.__dataclass_fields__, means, strict=True)))


def _stages(path: Path, embedder: "Embedder", catalogue: Catalogue) -> Profile:
    """Run one file through all stages."""
    read_s, (content_hash, tags) = _timed(lambda: (content_hash_of(path), read_tags(path)))
    decode_s, decoded = _timed(lambda: decode_segments(path, embedder.recipe))
    resample_s = _resampling_s(decoded, embedder.recipe)
    mel_s, log_mel = _timed(lambda: embedder.log_mel_of(decoded.segments[np.newaxis]))
    network_s, vectors = _timed(lambda: embedder.encode(log_mel))
    change = Embedded(
        path=path.absolute(),
        content_hash=content_hash,
        file_size=0,
        mtime_ns=0,
        tags=tags,
        model_id=embedder.model_id,
        vector=vectors[0],
    )
    write_s, _ = _timed(lambda: catalogue.write([change]))
    return Profile(
        read=read_s,
        decode=max(0.0, decode_s - resample_s),
        resample=resample_s,
        mel=mel_s,
        network=network_s,
        write=write_s,
    )


def _resampling_s(decoded: Segments, recipe: MelRecipe) -> float:
    """Measure resampling by repeating it on noise of the same length."""
    if decoded.source_rate == recipe.sample_rate:
        return 0.0
    segments_s = recipe.n_segments * recipe.segment_s
    resampled_s = decoded.duration_s if decoded.duration_s <= WHOLE_IF_UNDER * segments_s else segments_s
    noise = np.random.default_rng(0).standard_normal(round(resampled_s * decoded.source_rate)).astype(np.float32)
    return _timed(lambda: resample(noise, decoded.source_rate, recipe.sample_rate))[0]


def _timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """Run `work`; returns the CPU seconds of this process, and its result."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result
