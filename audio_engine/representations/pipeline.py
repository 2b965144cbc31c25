"""Representations from files to files: a play log and what is known of the tracks, to one vector a track."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio_engine.representations.categories import find_categories, side_information
from audio_engine.representations.fusion import fuse_by_weights
from audio_engine.representations.item2vec import Item2VecRecipe, train_item2vec
from audio_engine.representations.semantic import SemanticRecipe, semantic_vectors
from audio_engine.representations.sessions import SessionRecipe, Sessions, read_sessions
from audio_engine.representations.tables import KnownTracks, read_known_tracks, read_parts, write_vectors
from metric_learning.csr_graph import CsrGraph, build_graph
from metric_learning.eges import EgesRecipe, eges_vectors, train_eges
from metric_learning.fusion_head import FusionRecipe, train_fusion_head
from metric_learning.graph_sage import SageRecipe, train_graph_sage

Floats = NDArray[np.float32]
CO_PLAY_WINDOW = (
    20  # plays of a session between two tracks that are taken for neighbours, at most; chosen on later plays
)


@dataclass(frozen=True, kw_only=True)
class RepresentationFiles:
    """What representations are learned from."""

    plays: Path | None = None  # a play log: user, track, and maybe day and action
    tracks: Path | None = None  # track, and whatever is known: artist, label or package, genre, language, year, title
    vectors: Path | None = None  # audio vectors: an export, or track and vector
    categories: Sequence[str] | None = None  # columns; None: those of `categories.ROLES`


@dataclass(frozen=True, kw_only=True)
class RepresentationReport:
    """What became of the tracks."""

    method: str
    model_id: str  # in the table that was written
    n_tracks: int  # that the files know
    n_written: int  # with a vector
    n_without: int  # left out: nothing is known of them that the method could use
    n_with_audio: int  # of all tracks, those with an audio vector
    categories: Sequence[str] = ()  # columns that were taken as side information
    counts: Mapping[str, int] = field(default_factory=dict)  # of the log: see `sessions.SessionCounts`


def represent_item2vec(
    files: RepresentationFiles,
    out: Path,
    *,
    recipe: Item2VecRecipe | None = None,
    sessions: SessionRecipe | None = None,
) -> RepresentationReport:
    """Learn item2vec vectors from a play log, and write them; tracks with too few plays have none.

    Parameters
    ----------
    files
        ``plays``; the others only name the tracks and say what stands beside their vectors.
    out
        A Parquet file: see `tables.write_vectors`.
    recipe, sessions
        How.

    Returns
    -------
    report

    Raises
    ------
    FileNotFoundError, ValueError
        When a file is missing or cannot be used, saying why.
    ModuleNotFoundError
        When gensim is not installed.
    """
    recipe = recipe or Item2VecRecipe()

    def learn(known: KnownTracks, cut: Sessions, _: Path) -> Floats:
        return train_item2vec(cut, recipe=recipe)

    return _from_log("item2vec", files, out, learn, recipe=asdict(recipe), sessions=sessions)


def represent_eges(
    files: RepresentationFiles, out: Path, *, recipe: EgesRecipe | None = None, sessions: SessionRecipe | None = None
) -> RepresentationReport:
    """Learn EGES vectors from a play log, side information and audio; tracks that nobody played have one by the latter.

    Parameters, returns and raises as `represent_item2vec`, but for gensim.
    """
    recipe = recipe or EgesRecipe()
    chosen: list[str] = []

    def learn(known: KnownTracks, cut: Sessions, folder: Path) -> Floats:
        chosen.extend(find_categories(known.table, files.categories))
        side = side_information(known.table, known.audio, chosen)
        graph = co_play_graph(cut, folder)
        return eges_vectors(graph, train_eges(graph, side, recipe=recipe))

    return _from_log("eges", files, out, learn, recipe=asdict(recipe), sessions=sessions, categories=chosen)


def represent_graph_sage(
    files: RepresentationFiles, out: Path, *, recipe: SageRecipe | None = None, sessions: SessionRecipe | None = None
) -> RepresentationReport:
    """Learn GraphSAGE vectors, likewise; a track about which nothing is known has one by its neighbours, if any.

    Parameters, returns and raises as `represent_eges`; ``ValueError`` also when nothing at all is known of any track.
    """
    recipe = recipe or SageRecipe()
    chosen: list[str] = []

    def learn(known: KnownTracks, cut: Sessions, folder: Path) -> Floats:
        chosen.extend(find_categories(known.table, files.categories))
        side = side_information(known.table, known.audio, chosen)
        if not side.has_some().any():
            raise ValueError(
                "tracks must have side information or audio vectors for GraphSAGE, got none "
                "(--tracks with artist, genre and the like, or --vectors)"
            )
        return train_graph_sage(co_play_graph(cut, folder), side, recipe=recipe)

    return _from_log("graphsage", files, out, learn, recipe=asdict(recipe), sessions=sessions, categories=chosen)


def represent_semantic(
    files: RepresentationFiles, out: Path, *, recipe: SemanticRecipe | None = None
) -> RepresentationReport:
    """Describe tracks by what is said of them, and write the vectors; no play log is read.

    Parameters, returns and raises as `semantic.semantic_vectors` and `represent_item2vec`.
    """
    recipe = recipe or SemanticRecipe()
    known = read_known_tracks(files.tracks, files.vectors)
    categories = find_categories(known.table, files.categories)
    vectors = semantic_vectors(known.table, categories, recipe=recipe)
    return _written("semantic", known, vectors, out, recipe=asdict(recipe), categories=categories)


def represent_fusion(  # noqa: PLR0913  (one command, with its options)
    parts: Sequence[Path],
    out: Path,
    *,
    weights: Sequence[float] | None = None,
    plays: Path | None = None,
    recipe: FusionRecipe | None = None,
    sessions: SessionRecipe | None = None,
) -> RepresentationReport:
    """Fuse vectors of the same tracks into one: by weights, or by a linear head that is learned from a play log.

    Parameters
    ----------
    parts
        Two or more tables of vectors; the first says which tracks there are.
    out
        As for `represent_item2vec`.
    weights
        One of each part, 1 by default: inner products of the fused vectors, as long as all parts together, are
        the weighted mean of those of the parts.
    plays
        A play log: the head is learned then, and weights must not be given.
    recipe, sessions
        How the head is learned.

    Raises
    ------
    FileNotFoundError, ValueError
        When a file is missing or cannot be used; when there are fewer than two parts, or weights that do not fit.
    """
    if len(parts) < 2:
        raise ValueError(f"parts must be two tables of vectors or more, got {len(parts)}")
    if plays is not None and weights is not None:
        raise ValueError("weights must not be given with plays, from which a head is learned instead")
    known, vectors = read_parts(parts)
    if plays is None:
        weights = [1.0] * len(parts) if weights is None else weights
        return _written("fusion", known, fuse_by_weights(vectors, weights), out, recipe={"weights": list(weights)})
    recipe, sessions = recipe or FusionRecipe(), sessions or SessionRecipe()
    with tempfile.TemporaryDirectory(prefix="audio-engine-") as temporary:
        folder = Path(temporary)
        cut = read_sessions(plays, known.names.table, len(known), recipe=sessions, folder=folder)
        fused = train_fusion_head(co_play_graph(cut, folder), vectors, recipe=recipe)
    how = {"recipe": asdict(recipe), "sessions": asdict(sessions)}
    return _written("fusion", known, fused, out, recipe=how, counts=cut.counts.row())


def co_play_graph(sessions: Sessions, folder: Path) -> CsrGraph:
    """Join tracks that were played within `CO_PLAY_WINDOW` plays of each other in a session, in both directions."""
    return build_graph(lambda: sessions.transitions(window=CO_PLAY_WINDOW, both_ways=True), sessions.n_tracks, folder)


def _from_log(  # noqa: PLR0913  (what all that learns from a log has in common)
    method: str,
    files: RepresentationFiles,
    out: Path,
    learn: Callable[[KnownTracks, Sessions, Path], Floats],
    *,
    recipe: Mapping[str, Any],
    sessions: SessionRecipe | None,
    categories: Sequence[str] = (),
) -> RepresentationReport:
    """Read the files, cut the log into sessions in a temporary folder, learn, and write."""
    if files.plays is None:
        raise ValueError(f"plays must be given for {method}, got none")
    sessions = sessions or SessionRecipe()
    known = read_known_tracks(files.tracks, files.vectors, plays=files.plays)
    with tempfile.TemporaryDirectory(prefix="audio-engine-") as temporary:
        folder = Path(temporary)
        cut = read_sessions(files.plays, known.names.table, len(known), recipe=sessions, folder=folder)
        vectors = learn(known, cut, folder)
    how = {"recipe": dict(recipe), "sessions": asdict(sessions), "categories": list(categories)}
    return _written(method, known, vectors, out, recipe=how, categories=categories, counts=cut.counts.row())


def _written(  # noqa: PLR0913  (as above)
    method: str,
    known: KnownTracks,
    vectors: Floats,
    out: Path,
    *,
    recipe: Mapping[str, Any],
    categories: Sequence[str] = (),
    counts: Mapping[str, int] | None = None,
) -> RepresentationReport:
    """Write the vectors, and report."""
    n_written, model_id = write_vectors(known, vectors, out, method=method, recipe=recipe)
    return RepresentationReport(
        method=method,
        model_id=model_id,
        n_tracks=len(known),
        n_written=n_written,
        n_without=len(known) - n_written,
        n_with_audio=int(known.audio.any(1).sum()) if known.audio.shape[1] else 0,
        categories=tuple(categories),
        counts=counts or {},
    )
