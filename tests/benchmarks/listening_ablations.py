"""Ablation of metric learning: each loss and number of negatives, against the closed form that ships.

    python -m tests.benchmarks.listening_ablations --world ../shared/world --audio ../shared/audio [--model MODEL_DIR]
        [--seed 0 --seed 1 --seed 2] [--json]

The last layer of a trained model's listening head is trained anew from nothing, one liked warm track against n others
for each user; everything below it stays. Prints AUC, liked against disliked or skipped, on the cold tracks
(simulated users, where the world is), averaged over seeds. The steps, the rate and the weight of the length were
set once, on these same cold tracks, for the softmax over 1 + 4.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from audio_engine.evaluation.cold_start.benchmark import tower_users
from audio_engine.evaluation.cold_start.data import ColdStartData, build_mels, open_mels, read_world
from audio_engine.metrics.auc import auc_by_row
from audio_engine.training.pooling import pool_augmented, pool_tracks
from metric_learning.checkpoint import load_checkpoint
from metric_learning.encoder import AudioEncoder
from metric_learning.listening_data import DrawnEmbeddings, ListeningSteps, StepSizes
from metric_learning.listening_head import ListeningHead
from metric_learning.listening_module import ListeningTraining, listening_loss
from metric_learning.model_files import DEFAULT_MODEL_DIR

N_STEPS = 300
N_TRIPLETS = 4096  # in a step
LEARNING_RATE = 0.01
LENGTH_WEIGHT = 0.01  # on the squared length of the function learned, in the kernel's own norm
N_VERSIONS = 3  # augmented versions of each warm track, beside itself

SETTINGS: dict[str, ListeningTraining] = {
    f"{loss}, 1 against {n}": ListeningTraining(
        loss=loss,  # type: ignore[arg-type]
        sizes=StepSizes(n_tracks=10**9, n_triplets=N_TRIPLETS, n_disliked=n),
    )
    for loss in ("softmax", "hinge", "pairwise")
    for n in (1, 4, 16)
}
SETTINGS["softmax, 1 against 4, never heard only"] = replace(
    SETTINGS["softmax, 1 against 4"],
    sizes=replace(SETTINGS["softmax, 1 against 4"].sizes, explicit=False),
)


class Head:
    """What stays the same in all trainings: random features of warm and cold tracks, and users."""

    def __init__(self, data: ColdStartData, model_dir: Path, store: Path) -> None:
        encoder, recipe = load_checkpoint(model_dir)
        warm, cold = open_mels(data.warm, recipe, store), open_mels(data.cold, recipe, store)
        self.users = torch.from_numpy(tower_users(data, model_dir))
        versions = [pool_tracks(encoder, warm), *(pool_augmented(encoder, warm, seed=s) for s in range(N_VERSIONS))]
        head = head_of(encoder)
        with torch.no_grad():
            self.warm = [head.random_features(torch.from_numpy(pooled)) for pooled in versions]
            self.cold = head.random_features(torch.from_numpy(pool_tracks(encoder, cold)))
            self.closed_form = F.normalize(head.weigh(self.cold), dim=1)


def head_of(encoder: AudioEncoder) -> ListeningHead:
    """Take the listening head of an encoder."""
    if encoder.head is None:
        raise ValueError("the model must have a listening head, got one of `pretrain` (train it first?)")
    return encoder.head


def learn(head: Head, steps: ListeningSteps, training: ListeningTraining, *, seed: int) -> Tensor:
    """Train the last layer from nothing; returns the unit vectors of the cold tracks."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    everything = np.arange(len(head.warm[0]))
    dim = head.closed_form.shape[1]
    weights = (1e-3 * torch.randn(head.cold.shape[1], dim)).requires_grad_()
    optimiser = torch.optim.Adam([weights], lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, N_STEPS)
    for _ in range(N_STEPS):
        triplets = steps.draw_triplets(everything, rng)
        heard = head.warm[rng.integers(len(head.warm))]
        vectors = F.normalize(heard @ weights, dim=1)
        liked, disliked = vectors[triplets.liked], vectors[triplets.disliked]
        told = listening_loss(head.users[triplets.user], liked, disliked, present=triplets.present, training=training)
        loss = told + LENGTH_WEIGHT * weights.square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return F.normalize(head.cold @ weights.detach(), dim=1)


def cold_auc(head: Head, data: ColdStartData, vectors: Tensor) -> dict[str, float]:
    """Compute the mean AUC over users: of artists that nobody has met, of the others, of all."""
    similarity = (head.users @ vectors.T).numpy()
    found = {}
    for artists, kept in (("unseen", ~data.seen), ("seen", data.seen), ("all", np.ones_like(data.seen))):
        feedback = data.feedback[:, kept].toarray()
        found[artists] = float(np.nanmean(auc_by_row(similarity[:, kept], feedback > 0, feedback < 0)))
    return found


def ablations(data: ColdStartData, model_dir: Path, store: Path, seeds: list[int]) -> Iterator[dict[str, object]]:
    """Train with every setting and every seed; yields one row for each kind of artist."""
    head = Head(data, model_dir, store)
    for artists, value in cold_auc(head, data, head.closed_form).items():
        yield {"setting": "closed form (ships)", "seed": None, "artists": artists, "auc": value}
    nothing = DrawnEmbeddings(pooled=np.empty((len(data.warm), 1), np.float32), n_tracks=len(data.warm))  # not read
    for setting, training in SETTINGS.items():
        steps = ListeningSteps(nothing, data.plays, data.n_users, sizes=training.sizes, seed=0)
        for seed in seeds:
            vectors = learn(head, steps, training, seed=seed)
            for artists, value in cold_auc(head, data, vectors).items():
                yield {"setting": setting, "seed": seed, "artists": artists, "auc": value}


def main() -> None:
    """Read the options, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL_DIR)
    parser.add_argument("--store", type=Path, default=Path("/tmp/audio-engine-mels"))
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    data = read_world(options.world, options.audio)
    build_mels(data, [options.model], options.store, n_workers=2)
    rows = list(ablations(data, options.model, options.store, options.seed or [0, 1, 2]))
    print(json.dumps({"rows": rows}) if options.json else _markdown(rows))


def _markdown(rows: list[dict[str, object]]) -> str:
    """Write the table: a line a setting, the mean over seeds and how far they lie apart."""
    lines = ["| AUC, simulated | unseen artists | seen artists | all |", "|---|---|---|---|"]
    for setting in dict.fromkeys(row["setting"] for row in rows):
        cells = []
        for artists in ("unseen", "seen", "all"):
            found = np.array([row["auc"] for row in rows if (row["setting"], row["artists"]) == (setting, artists)])
            apart = f" ({found.min():.3f} to {found.max():.3f})" if len(found) > 1 else ""
            cells.append(f"{found.mean():.3f}{apart}")
        lines.append(f"| {setting} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
