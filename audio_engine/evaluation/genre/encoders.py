"""Encoders of the genre benchmark: ours, the baselines, an untrained copy, MusiCNN, and plug-ins.

An encoder turns one waveform into one vector, of a 3-s segment alone or of a whole track: baseline statistics are taken
over that audio; MusiCNN averages over its 3-s patches; ours averages over the segments of its recipe (a segment alone
gets the vector that a file with only this segment would get).
"""

import hashlib
import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import numpy as np

from audio_engine.decoding.degradations import Waveform
from audio_engine.evaluation.baselines import mel_statistics, mfcc_statistics
from audio_engine.evaluation.genre.musicnn import SAMPLE_RATE as MUSICNN_RATE
from audio_engine.evaluation.genre.musicnn import describe_musicnn, load_musicnn
from audio_engine.evaluation.representations import NARROW_RATE, WIDE_RATE, Vectors, untrained_copy
from features.segments import cut_segments
from metric_learning.embedder import Embedder

OURS, MFCC, WIDE_MFCC, MEL, UNTRAINED, MUSICNN = "ours", "mfcc", "mfcc-44k", "mel", "untrained", "musicnn"
BUILT_IN = (OURS, MFCC, WIDE_MFCC, MEL, UNTRAINED, MUSICNN)
PLUG_IN_RATE = 44_100  # Hz, if a plug-in does not specify one

Statistics = Callable[[Waveform, int], Vectors]
PLAIN: dict[str, tuple[Statistics, int]] = {
    MFCC: (mfcc_statistics, NARROW_RATE),
    WIDE_MFCC: (mfcc_statistics, WIDE_RATE),
    MEL: (mel_statistics, NARROW_RATE),
}


@dataclass(frozen=True, kw_only=True)
class GenreEncoder:
    """A frozen way to turn waveforms into vectors."""

    name: str
    key: str  # key of its vectors in the cache: changes whenever they do
    sample_rate: int  # Hz
    describe: Callable[[Sequence[Waveform]], Vectors]  # waveforms to (n_waveforms, dim)
    trained_on_tags: bool = False  # trained on genres or tags, so not comparable with one that was not


def load_encoders(names: Sequence[str], *, embedder: Embedder, seed: int) -> list[GenreEncoder]:
    """Load encoders by name.

    Parameters
    ----------
    names
        From `BUILT_IN`, or ``module:callable`` (see `plug_in`).
    embedder
        Our model.
    seed
        Seed of the untrained copy's weights.

    Raises
    ------
    ValueError
        When a name is unknown, or its requirements are not installed.
    """
    return [_load(name, embedder, seed) for name in names]


def default_names() -> tuple[str, ...]:
    """List the encoders that can run here: MusiCNN only if its package is installed."""
    try:
        metadata.distribution("musicnn")
    except metadata.PackageNotFoundError:
        return tuple(name for name in BUILT_IN if name != MUSICNN)
    return BUILT_IN


def plug_in(name: str) -> GenreEncoder:
    """Load ``module:callable``, any function from (waveform, sample_rate) to a vector.

    The callable may have the attributes ``sample_rate`` (Hz, 44,100 by default) and ``trained_on_tags``. Its vectors
    are cached by the content of its module's file: if other files change (weights, say), rename it.

    Raises
    ------
    ValueError
        When the module or callable does not exist; later, when it raises or returns anything but finite numbers (dim,).

    Examples
    --------
    >>> plug_in("audio_engine.evaluation.baselines:mel_statistics").sample_rate
    44100
    """
    module_name, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ValueError(f"encoder must be module:callable that can be imported, got {name!r}: {error}") from error
    sample_rate = getattr(function, "sample_rate", PLUG_IN_RATE)
    source = Path(inspect.getfile(importlib.import_module(module_name))).read_bytes()
    key = f"{name.replace(':', '-')}-{hashlib.sha256(source).hexdigest()[:12]}"
    encoder = _plain(name, _checked(function, name), sample_rate=sample_rate, key=key)
    return replace(encoder, trained_on_tags=getattr(function, "trained_on_tags", False))


def _checked(function: Statistics, name: str) -> Statistics:
    """Make a function of somebody else's fail by its name, where it raises anything or returns no vector."""

    def describe(waveform: Waveform, sample_rate: int) -> Vectors:
        try:
            vector: Vectors = np.asarray(function(waveform, sample_rate), np.float32)
        except Exception as error:
            raise ValueError(f"encoder {name} must return numbers, got {type(error).__name__}: {error}") from error
        if vector.ndim != 1 or not np.isfinite(vector).all():
            raise ValueError(
                f"encoder {name} must return finite numbers (dim,), got {vector.shape}: {vector.ravel()[:3]}"
            )
        return vector

    return describe


def _load(name: str, embedder: Embedder, seed: int) -> GenreEncoder:
    """Load one encoder."""
    if ":" in name:
        return plug_in(name)
    if name in PLAIN:
        statistics, sample_rate = PLAIN[name]
        return _plain(name, statistics, sample_rate=sample_rate)
    if name == OURS:
        return _network(name, embedder, key=f"{name}-{embedder.model_id}")
    if name == UNTRAINED:
        return _network(name, untrained_copy(embedder, seed), key=f"{name}-{embedder.model_id}-{seed}")
    if name == MUSICNN:
        return _musicnn()
    raise ValueError(f"encoder must be one of {', '.join(BUILT_IN)} or module:callable, got {name!r}")


def _musicnn() -> GenreEncoder:
    load_musicnn()  # fail now if it is missing
    return GenreEncoder(
        name=MUSICNN,
        key=MUSICNN,
        sample_rate=MUSICNN_RATE,
        describe=lambda waveforms: describe_musicnn(waveforms, MUSICNN_RATE),
        trained_on_tags=True,
    )


def _plain(name: str, statistics: Statistics, *, sample_rate: int, key: str | None = None) -> GenreEncoder:
    return GenreEncoder(
        name=name,
        key=key or name,
        sample_rate=sample_rate,
        describe=lambda waveforms: np.stack([np.asarray(statistics(each, sample_rate)) for each in waveforms]),
    )


def _network(name: str, embedder: Embedder, *, key: str) -> GenreEncoder:
    """Wrap one of our encoders; a waveform of one segment is encoded once, not as ten copies."""
    recipe = embedder.recipe
    alone = Embedder(
        embedder.encoder,
        recipe=replace(recipe, n_segments=1),
        model_id=embedder.model_id,
        device=str(embedder.device),
    )

    def describe(waveforms: Sequence[Waveform]) -> Vectors:
        one = all(waveform.size <= recipe.segment_samples for waveform in waveforms)
        chosen = alone if one else embedder
        return chosen.embed(np.stack([cut_segments(waveform, chosen.recipe) for waveform in waveforms]))

    return GenreEncoder(name=name, key=key, sample_rate=recipe.sample_rate, describe=describe)
