"""Names in, encoders out: ours, the plain ones, an untrained copy, MusiCNN, and whatever anyone plugs in.

An encoder turns one waveform into one vector. It is asked for the vector of a 3-s segment alone, or of a whole track:
plain statistics are taken over just that sound; MusiCNN averages over its 3-s patches; ours averages over the segments
that its recipe cuts (a segment alone gives the vector that a file holding just it would get).
"""

import hashlib
import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import numpy as np

from audio_engine.evaluation.baselines import mel_statistics, mfcc_statistics
from audio_engine.evaluation.degradations import Waveform
from audio_engine.evaluation.genre.musicnn import SAMPLE_RATE as MUSICNN_RATE
from audio_engine.evaluation.genre.musicnn import describe_musicnn, load_musicnn
from audio_engine.evaluation.representations import NARROW_RATE, WIDE_RATE, Vectors, untrained_copy
from features.segments import cut_segments
from metric_learning.embedder import Embedder

OURS, MFCC, WIDE_MFCC, MEL, UNTRAINED, MUSICNN = "ours", "mfcc", "mfcc-44k", "mel", "untrained", "musicnn"
BUILT_IN = (OURS, MFCC, WIDE_MFCC, MEL, UNTRAINED, MUSICNN)
PLUG_IN_RATE = 44_100  # Hz, where a plug-in does not say what it wants

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
    key: str  # names its vectors on disk: changes whenever they would
    sample_rate: int  # Hz
    describe: Callable[[Sequence[Waveform]], Vectors]  # waveforms to (n_waveforms, dim)
    heard_tags: bool = False  # learned from genres or tags, so that it is no equal of one that did not


def load_encoders(names: Sequence[str], *, embedder: Embedder, seed: int) -> list[GenreEncoder]:
    """Load encoders by name.

    Parameters
    ----------
    names
        Of `BUILT_IN`, or ``module:callable`` (see `plug_in`).
    embedder
        Our model.
    seed
        Decides the weights of the untrained copy.

    Raises
    ------
    ValueError
        When a name is unknown, or what it needs is not installed.
    """
    return [_load(name, embedder, seed) for name in names]


def default_names() -> tuple[str, ...]:
    """List all that can run here: MusiCNN only where its package lies."""
    try:
        metadata.distribution("musicnn")
    except metadata.PackageNotFoundError:
        return tuple(name for name in BUILT_IN if name != MUSICNN)
    return BUILT_IN


def plug_in(name: str) -> GenreEncoder:
    """Load ``module:callable``, any function from (waveform, sample_rate) to a vector.

    The callable may carry ``sample_rate`` (Hz, 44,100 otherwise) and ``heard_tags`` as attributes. Its vectors are kept
    on disk by the content of its module's file: what it reads elsewhere (weights, say) it has to be renamed for.

    Raises
    ------
    ValueError
        When there is no such module or callable.

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
    encoder = _plain(name, function, sample_rate=sample_rate, key=key)
    return replace(encoder, heard_tags=getattr(function, "heard_tags", False))


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
    load_musicnn()  # that it is missing is to be said now
    return GenreEncoder(
        name=MUSICNN,
        key=MUSICNN,
        sample_rate=MUSICNN_RATE,
        describe=lambda waveforms: describe_musicnn(waveforms, MUSICNN_RATE),
        heard_tags=True,
    )


def _plain(name: str, statistics: Statistics, *, sample_rate: int, key: str | None = None) -> GenreEncoder:
    return GenreEncoder(
        name=name,
        key=key or name,
        sample_rate=sample_rate,
        describe=lambda waveforms: np.stack([np.asarray(statistics(each, sample_rate)) for each in waveforms]),
    )


def _network(name: str, embedder: Embedder, *, key: str) -> GenreEncoder:
    """Wrap an encoder of ours; a waveform of one segment is encoded once, not as ten copies of itself."""
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
