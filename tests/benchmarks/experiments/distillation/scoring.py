"""The teachers themselves on the tracks that judge us: by similarity, and by kernel ridge to collaborative factors."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio_engine.evaluation.cold_start.baselines import kernel_ridge_to_factors
from audio_engine.evaluation.cold_start.benchmark import score_similarity
from audio_engine.evaluation.cold_start.data import ColdStartData, read_world
from audio_engine.evaluation.cold_start.factors import collaborative_factors
from audio_engine.evaluation.cold_start.mel_statistics import standardise_groups
from audio_engine.metrics import retrieval
from audio_engine.metrics.bootstrap import bootstrap_mean, user_weights
from features.decode import decode
from tests.benchmarks.experiments.distillation.teachers import RECIPE, Teachers
from tests.benchmarks.experiments.distillation.windows import filled

Floats = NDArray[np.float32]
K = 5


def score_teachers(world: Path, audio: Path, wheels: Path) -> Iterator[str]:
    """Score MusiCNN, Whisper's blocks and both; yield lines of two Markdown tables.

    Parameters
    ----------
    world, audio, wheels
        The simulated world, its audio, and Whisper's wheels.
    """
    data, teachers = read_world(world, audio), Teachers(wheels)
    files = [*data.warm.files, *data.cold.files]
    described = [teachers.describe(filled(decode(file, RECIPE.sample_rate))) for file in files]
    musicnn, whisper = (np.stack([each.mean(0) for each in own]) for own in zip(*described, strict=True))
    blocks = {"MusiCNN": [musicnn], "Whisper, two blocks": [whisper], "both": [musicnn, whisper]}
    yield f"| teacher | precision@{K}, unseen artists |"
    yield "|---|---|"
    yield from (f"| {name} | {_precision(data, own)} |" for name, own in blocks.items())
    yield "| kernel ridge on | AUC, unseen artists |"
    yield "|---|---|"
    factors = collaborative_factors(data.plays, (data.n_users, len(data.warm)), seed=0)
    weights = user_weights(data.n_users, seed=0)
    for name, own in blocks.items():
        statistics = standardise_groups(own, np.arange(len(files)) < len(data.warm))
        similarity = kernel_ridge_to_factors(data, factors, statistics)
        for row in score_similarity(data, similarity, method=name, seed=0, weights=weights):
            if (row.metric, row.about["artists"]) == ("auc_liked_rejected", "unseen"):
                yield f"| {name} | {row.value:.3f} [{row.low:.3f}, {row.high:.3f}] |"


def _precision(data: ColdStartData, blocks: list[Floats]) -> str:
    """Compute precision among the cold tracks of unseen artists, each number z-scored and each block weighed alike."""
    unseen = ~data.seen
    own = [block[len(data.warm) :][unseen] for block in blocks]
    scaled = [(each - each.mean(0)) / np.where(each.std(0) > 0, each.std(0), 1) / each.shape[1] ** 0.5 for each in own]
    artists = np.array(data.cold.artist_keys)[unseen]
    is_same = artists[:, None] == artists
    np.fill_diagonal(is_same, val=False)
    hits = np.take_along_axis(is_same, retrieval.rank_others(np.concatenate(scaled, axis=1)), axis=1)
    found = bootstrap_mean(retrieval.precision_at_k(hits, K), seed=0)
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"
