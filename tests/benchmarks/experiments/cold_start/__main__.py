"""Networks of the literature on the cold-start benchmark: van den Oord 2013, DCUE 2018, CLCRec 2021.

    python -m tests.benchmarks.experiments.cold_start --world ../shared/world --audio ../shared/audio

`audio-engine evaluate cold-start` scores the trained model and the other baselines on the same tracks and users.
"""
# ruff: noqa: PLR0917  (a command has as many parameters as it has options)

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from audio_engine.cli.evaluate.cold_start import put_cold_start
from audio_engine.cli.options import AsJson, Audio, Store, World
from audio_engine.cli.printing import put_json, say
from audio_engine.evaluation.cold_start.benchmark import BOOTSTRAP_SEED, score_similarity
from audio_engine.evaluation.cold_start.data import ColdStartData, build_mels, open_mels, read_world
from audio_engine.evaluation.cold_start.factors import collaborative_factors
from audio_engine.evaluation.cold_start.mel_statistics import rich_statistics, standardise_groups
from audio_engine.metrics.bootstrap import user_weights
from audio_engine.metrics.results import Result
from audio_engine.metrics.similarity_table import SimilarityTable
from audio_engine.training.mel_cache import default_store
from features.recipe import MelRecipe
from tests.benchmarks.experiments.cold_start.networks import (
    BaselineTraining,
    embed_segments,
    embed_statistics,
    train_clcrec,
    train_dcue,
    train_factor_regression,
)

Floats = NDArray[np.float32]


def network_similarities(
    data: ColdStartData, log_mel: NDArray[np.float16], recipe: MelRecipe, training: BaselineTraining
) -> Iterator[tuple[str, SimilarityTable]]:
    """Train each network on the warm tracks and compare users with cold tracks."""
    n_warm = len(data.warm)
    warm, cold = log_mel[:n_warm], log_mel[n_warm:]
    factors = collaborative_factors(data.plays, (data.n_users, n_warm), seed=training.seed)
    regression = train_factor_regression(warm, factors.tracks, training)
    yield "van den Oord 2013", SimilarityTable.of_vectors(factors.users, embed_segments(regression, cold))
    network, users = train_dcue(warm, data.plays, data.n_users, training)
    yield "DCUE 2018", SimilarityTable.of_vectors(users, unit(embed_segments(network, cold)))
    groups = zip(*(rich_statistics(np.asarray(track, np.float32), recipe) for track in log_mel), strict=True)
    rich = standardise_groups([np.stack(group) for group in groups], np.arange(len(log_mel)) < n_warm)
    content, users = train_clcrec(rich[:n_warm], data.plays, data.n_users, training)
    yield "CLCRec 2021", SimilarityTable.of_vectors(users, unit(embed_statistics(content, rich[n_warm:])))


def unit(vectors: Floats) -> Floats:
    """Bring vectors to unit length."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))


def score_networks(data: ColdStartData, store: Path, training: BaselineTraining) -> Iterator[Result]:
    """Score each network as `evaluate cold-start` scores a model; `build_mels` first."""
    recipe, weights = MelRecipe(), user_weights(data.n_users, seed=BOOTSTRAP_SEED)
    log_mel = np.concatenate([open_mels(tracks, recipe, store)[:] for tracks in (data.warm, data.cold)])
    for method, similarity in network_similarities(data, log_mel, recipe, training):
        yield from score_similarity(data, similarity, method=method, seed=training.seed, weights=weights)


def main(
    world: World,
    audio: Audio,
    cold_tracks: Annotated[Path | None, typer.Option(help="Tracks to score in place of split == valid_cold.")] = None,
    cold_plays: Annotated[Path | None, typer.Option(help="Their plays.")] = None,
    cold_audio: Annotated[Path | None, typer.Option(help="The folder of their files.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Of training; again for more of them.")] = None,
    store: Store = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that decode.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Score how well networks of the literature bring new tracks to their users (simulated, where the world is)."""
    data = read_world(world, audio, cold_tracks=cold_tracks, cold_plays=cold_plays, cold_audio=cold_audio)
    store = store or default_store()
    build_mels(data, [], store, baselines=True, n_workers=workers, on_progress=say)
    rows = [row for each in seed or [0] for row in score_networks(data, store, BaselineTraining(seed=each))]
    if as_json:
        put_json({"rows": [row.row() for row in rows]})
    else:
        put_cold_start(rows)


if __name__ == "__main__":
    typer.run(main)
