"""Benchmark how well new tracks reach their users, by how many warm tracks the listening head was fitted to; Markdown.

    python -m tests.benchmarks.warm_tracks --world ../shared/world2 --audio ../shared/audio [--model MODEL_DIR]
        [--fold 0 --fold 1] [--seed 0 --seed 1 --seed 2] [--json]

Folds of artists inside the tracks that the table marks ``train``; nothing else is opened. For each fold a user tower is
trained on the plays of the other tracks. The head is then fitted to some of these in closed form, and trained by the
gradient (one liked against one rejected track), from nothing and from the closed form. AUC, liked against disliked or
skipped, on the fold's tracks. The taught features below the head have heard all these tracks, without a play.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold
from torch import Tensor
from torch.nn import functional as F

from audio_engine.evaluation.cold_start.data import ColdStartData, read_world
from audio_engine.training.mel_cache import cache_mels, default_store, open_mel_store
from audio_engine.training.pooling import pool_twice
from metric_learning.checkpoint import load_checkpoint
from metric_learning.listening_data import DrawnEmbeddings, ListeningSteps, StepSizes
from metric_learning.listening_head import ListeningHead, fit_listening_head
from metric_learning.listening_module import ListeningTraining, listening_loss
from metric_learning.model_files import DEFAULT_MODEL_DIR
from metric_learning.play_log import feedback_cells
from metric_learning.play_table import PlayTable
from metric_learning.train_user import UserTraining, train_user_tower
from metric_learning.user import UserTower, embed_users
from metric_learning.user_auc import cell_similarities, mean_user_auc
from metric_learning.user_recipe import UserRecipe

Floats = NDArray[np.float32]
N_FOLDS = 5
N_TRACKS = (50, 100, 200, 400)
N_STEPS, LEARNING_RATE, ANCHOR = 300, 0.01, 1.0
STEP = ListeningTraining(loss="hinge", sizes=StepSizes(n_tracks=10**9, n_triplets=4096))
CLOSED, FRESH, WARM = "closed form", "gradient, from nothing", "gradient, from the closed form"


class Fold:
    """What is known of the tracks of the other folds, and what is asked of those of this one.

    Parameters
    ----------
    data
        The world, of which the warm tracks are used.
    pooled : (2 * n_tracks, n_heard)
        What the head hears of all warm tracks, in two versions.
    is_asked : (n_tracks,)
        The tracks of this fold.
    """

    def __init__(self, data: ColdStartData, pooled: Floats, is_asked: NDArray[np.bool_]) -> None:
        self.plays = data.plays.of_tracks(~is_asked)
        self.artists = np.array(data.warm.artist_keys)[~is_asked]
        n_known = len(self.artists)
        table = PlayTable(self.plays, data.n_users, recipe=UserRecipe(n_tracks=n_known))
        torch.manual_seed(0)
        tower = UserTower(table.recipe)
        train_user_tower(tower, table, training=UserTraining(seed=0))
        self.users = torch.from_numpy(embed_users(tower, table))
        self.target = tower.offered.weight.detach().numpy()
        self.pooled = pooled[np.tile(~is_asked, 2)]
        self.asked = torch.from_numpy(pooled[: len(is_asked)][is_asked])
        self.opinions = feedback_cells(data.plays.of_tracks(is_asked), data.n_users, int(is_asked.sum())).tocoo()

    def auc(self, vectors: Tensor) -> float:
        """Compare users with vectors of the tracks that are asked for."""
        user, track = (torch.from_numpy(each.astype(np.int64)) for each in self.opinions.coords)
        similarity = cell_similarities(self.users, F.normalize(vectors, dim=1), user=user, track=track)
        return float(mean_user_auc(similarity, user, torch.from_numpy(self.opinions.data > 0)))

    def curve(self, n: int, *, seed: int) -> Iterator[tuple[str, float]]:
        """Fit and train a head on n known tracks; yield the AUC of each method."""
        known = np.sort(np.random.default_rng(seed).permutation(len(self.artists))[:n])
        rows = np.concatenate([known, len(self.artists) + known])
        target = self.target[known] - self.target[known].mean(0)
        artists = list(self.artists[known])
        head = fit_listening_head(self.pooled[rows], np.tile(target, (2, 1)), artists=artists * 2, seed=seed)
        with torch.no_grad():
            heard, asked = (
                head.random_features(torch.from_numpy(each)) for each in (self.pooled[rows], self.asked.numpy())
            )
            yield CLOSED, self.auc(head.weigh(asked))
        keep = np.zeros(len(self.artists), np.bool_)
        keep[known] = True
        sounds = DrawnEmbeddings(pooled=heard.numpy(), n_tracks=n)
        steps = ListeningSteps(sounds, self.plays.of_tracks(keep), len(self.users), sizes=STEP.sizes, seed=seed)
        for method in (FRESH, WARM):
            weights = self._learn(steps, heard, head if method == WARM else None, seed=seed)
            yield method, self.auc(asked @ weights.T)

    def _learn(self, steps: ListeningSteps, heard: Tensor, start: ListeningHead | None, *, seed: int) -> Tensor:
        """Train the last layer by the gradient: (dim, n_random)."""
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        fresh = 1e-3 * torch.randn(self.target.shape[1], heard.shape[1])
        weights = (start.weigh.weight.detach().clone() if start else fresh).requires_grad_()
        anchors = F.normalize(heard @ weights.detach().T, dim=1)
        rate = LEARNING_RATE * (float(weights.detach().square().mean().sqrt()) if start else 1.0)
        optimiser = torch.optim.Adam([weights], lr=rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, N_STEPS)
        everything = np.arange(len(steps.sounds))
        for _ in range(N_STEPS):
            triplets = steps.draw_triplets(everything, rng)
            version = rng.integers(2) * len(everything)
            rows = slice(version, version + len(everything))
            vectors = F.normalize(heard[rows] @ weights.T, dim=1)
            liked, disliked = vectors[triplets.liked], vectors[triplets.disliked]
            loss = listening_loss(self.users[triplets.user], liked, disliked, present=triplets.present, training=STEP)
            if start:
                loss = loss + ANCHOR * (1 - (vectors * anchors[rows]).sum(1).mean())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        return weights.detach()


def curves(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Measure every fold, number of tracks, seed and method."""
    encoder, recipe = load_checkpoint(options.model)
    data = read_world(options.world, options.audio)
    cache_mels([data.warm.by_id], recipe, options.store, n_workers=2)
    mels = open_mel_store(data.warm.by_id, recipe, options.store).read(data.warm.track_ids)
    pooled = pool_twice(encoder, mels, seed=0)[:, -encoder.n_heard :]
    folds = list(GroupKFold(N_FOLDS).split(pooled[: len(mels)], groups=data.warm.artist_keys))
    for number in options.fold or range(N_FOLDS):
        is_asked = np.zeros(len(mels), np.bool_)
        is_asked[folds[number][1]] = True
        fold = Fold(data, np.asarray(pooled), is_asked)
        for n in sorted({min(n, len(fold.artists)) for n in N_TRACKS}):
            for seed in options.seed or (0, 1, 2):
                for method, auc in fold.curve(n, seed=seed):
                    share = "all" if n == len(fold.artists) else n
                    yield {"fold": number, "tracks": share, "seed": seed, "method": method, "auc": auc}


def markdown(rows: list[dict[str, object]]) -> str:
    """Write the table: the mean over folds and seeds, and the lowest and the highest mean of a seed."""
    sizes = list(dict.fromkeys(row["tracks"] for row in rows))
    lines = ["| AUC, simulated | " + " | ".join(f"{n} tracks" for n in sizes) + " |", "|---" * (len(sizes) + 1) + "|"]
    for method in (CLOSED, FRESH, WARM):
        cells = []
        for n in sizes:
            own = [row for row in rows if (row["method"], row["tracks"]) == (method, n)]
            seeds = [
                np.mean([row["auc"] for row in own if row["seed"] == seed])  # type: ignore[misc]
                for seed in dict.fromkeys(row["seed"] for row in own)
            ]
            cells.append(f"{np.mean(seeds):.3f} ({min(seeds):.3f} to {max(seeds):.3f})")
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL_DIR)
    parser.add_argument("--store", type=Path, default=default_store())
    parser.add_argument("--fold", type=int, action="append")
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = list(curves(options))
    print(json.dumps({"rows": rows}) if options.json else markdown(rows))


if __name__ == "__main__":
    main()
