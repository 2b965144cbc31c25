"""The rows of the comparison: each learns from the plays of a task, and compares every user with every candidate."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from audio_engine.evaluation.cold_start.factors import collaborative_factors
from audio_engine.metrics.similarity_table import SimilarityTable
from audio_engine.representations.fusion import fuse_by_weights
from audio_engine.representations.item2vec import Item2VecRecipe
from audio_engine.representations.pipeline import (
    RepresentationFiles,
    represent_eges,
    represent_fusion,
    represent_graph_sage,
    represent_item2vec,
    represent_semantic,
)
from audio_engine.representations.sessions import SessionRecipe
from metric_learning.eges import EgesRecipe
from metric_learning.fusion_head import FusionRecipe
from metric_learning.graph_sage import SageRecipe
from tests.benchmarks.experiments.representations.data import Task
from tests.benchmarks.experiments.representations.scoring import table_of_vectors

Floats = NDArray[np.float32]
LIKES = SessionRecipe(gap_minutes=float("inf"), min_completion=1.1)  # chosen on later plays: all likes of a user
SIDE = ("artist_key", "package", "release_day")  # side information of the simulated world
SOUND, SHIPPED = "sound only", "shipped audio"
ITEM2VEC, SEMANTIC = "item2vec", "semantic"
EGES, SAGE = "EGES", "GraphSAGE"
FUSED = ("sound + item2vec", "sound + semantic", "sound + EGES", "sound + GraphSAGE", "all five")


@dataclass(frozen=True, kw_only=True)
class Recipes:
    """How everything is trained; the defaults are those of the product."""

    item2vec: Item2VecRecipe = field(default_factory=Item2VecRecipe)
    eges: EgesRecipe = field(default_factory=EgesRecipe)
    sage: SageRecipe = field(default_factory=SageRecipe)
    fusion: FusionRecipe = field(default_factory=FusionRecipe)
    weight: float = 1.0  # of what is fused with sound, beside 1 of sound

    def of_seed(self, seed: int) -> "Recipes":
        """Give everything a seed."""
        walks = (replace(each, walks=replace(each.walks, seed=seed)) for each in (self.eges, self.sage, self.fusion))
        eges, sage, fusion = walks
        return replace(self, item2vec=replace(self.item2vec, seed=seed), eges=eges, sage=sage, fusion=fusion)


class Workshop:
    """A folder with the files of one task, in which representations are learned by the functions of the product.

    Parameters
    ----------
    task
        What is learned from.
    table
        Of the tracks, in the order of the task's.
    audio
        Vectors (n_tracks, dim) by name.
    folder
        Empty.
    """

    def __init__(self, task: Task, table: pl.DataFrame, audio: dict[str, Floats], folder: Path) -> None:
        self.task, self.audio, self.folder = task, audio, folder
        self.ids = list(task.tracks.track_ids)
        self.tracks, self.plays = folder / "tracks.parquet", folder / "plays.parquet"
        table.write_parquet(self.tracks)
        task.write_plays(self.plays)
        for name, vectors in audio.items():
            pl.DataFrame({"track": self.ids, "vector": vectors}).write_parquet(self._file(name))

    def files(self, *, audio: str | None = None, categories: Sequence[str] = SIDE) -> RepresentationFiles:
        """Name the files to learn from."""
        vectors = None if audio is None else self._file(audio)
        return RepresentationFiles(plays=self.plays, tracks=self.tracks, vectors=vectors, categories=categories)

    def learn(self, name: str, represent: Callable[[Path], object]) -> Floats:
        """Learn a representation, and read it: (n_tracks, dim), zeros where a track got none."""
        out = self._file(name)
        represent(out)
        found = pl.read_parquet(out)
        rows = pl.DataFrame({"track": self.ids}).join(found, on="track", how="left", maintain_order="left")["vector"]
        vectors = np.zeros((len(self.ids), found["vector"].dtype.size), np.float32)  # type: ignore[attr-defined]
        vectors[rows.is_not_null().to_numpy()] = rows.drop_nulls().to_numpy()
        return vectors

    def fused(self, names: Sequence[str], recipe: FusionRecipe) -> Floats:
        """Learn a head on vectors that were learned before, the first of which every track has."""
        parts = [self._file(name) for name in names]
        return self.learn(
            f"head of {len(names)}",
            lambda out: represent_fusion(parts, out, plays=self.plays, recipe=recipe, sessions=LIKES),
        )

    def _file(self, name: str) -> Path:
        return self.folder / f"{name.replace(' ', '_').replace(',', '')}.parquet"


def graph_methods(workshop: Workshop, recipes: Recipes) -> dict[str, Callable[[Path], object]]:
    """List the variants of EGES and GraphSAGE: what each is given beside the plays."""
    found: dict[str, Callable[[Path], object]] = {}
    for model, represent, recipe in ((EGES, represent_eges, recipes.eges), (SAGE, represent_graph_sage, recipes.sage)):
        for what, audio, categories in (
            ("side", None, SIDE),
            ("side + sound", SOUND, SIDE),
            ("sound, no side", SOUND, ()),
            ("side + shipped audio", SHIPPED, SIDE),
        ):
            files = workshop.files(audio=audio, categories=categories)
            found[f"{model}, {what}"] = partial(represent, files, recipe=recipe, sessions=LIKES)
    return found


def all_methods(workshop: Workshop, recipes: Recipes, *, seed: int) -> Iterator[tuple[str, SimilarityTable]]:
    """Learn every representation of a task, and compare users with its candidates.

    Yields
    ------
    method, similarity
    """
    for method, vectors in all_vectors(workshop, recipes, seed=seed):
        yield method, table_of_vectors(workshop.task, vectors)


def all_vectors(workshop: Workshop, recipes: Recipes, *, seed: int) -> Iterator[tuple[str, Floats]]:
    """Learn every representation: method, and vectors (n_tracks, any)."""
    recipes = recipes.of_seed(seed)
    parts = dict(workshop.audio.items())
    learn = {
        ITEM2VEC: partial(represent_item2vec, workshop.files(), recipe=recipes.item2vec, sessions=LIKES),
        SEMANTIC: partial(represent_semantic, workshop.files()),
        **graph_methods(workshop, recipes),
    }
    for name, represent in learn.items():
        parts[name] = workshop.learn(name, represent)
    yield from parts.items()
    others = (ITEM2VEC, SEMANTIC, f"{EGES}, side", f"{SAGE}, side")
    groups = [[SOUND, other] for other in others] + [[SOUND, *others]]
    for label, names in zip(FUSED, groups, strict=True):
        weights = [1.0] + [recipes.weight / (len(names) - 1)] * (len(names) - 1)
        yield f"weights: {label}", fuse_by_weights([parts[name] for name in names], weights)
        yield f"head: {label}", workshop.fused(names, recipes.fusion)


def reference_methods(task: Task, *, seed: int) -> Iterator[tuple[str, SimilarityTable]]:
    """Score by the number of plays, and by alternating least squares; both know nothing of a track without plays."""
    n_tracks = len(task.tracks)
    counts = np.bincount(task.plays.track, minlength=n_tracks).astype(np.float32)[task.judged]
    shape = (task.n_users, len(counts))
    yield (
        "popularity",
        SimilarityTable(
            shape=shape, of_users=lambda rows: np.tile(counts, (len(range(*rows.indices(task.n_users))), 1))
        ),
    )
    factors = collaborative_factors(task.plays, (task.n_users, n_tracks), seed=seed)
    played = np.bincount(task.plays.track, minlength=n_tracks) > 0
    tracks = np.where(played[:, None], factors.tracks, 0.0)[task.judged]
    yield "ALS", SimilarityTable.of_vectors(factors.users, tracks)
