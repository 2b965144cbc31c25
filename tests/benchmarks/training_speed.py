"""Benchmark the speed of metric learning on this machine: the head alone, and through the features below it.

    python -m tests.benchmarks.training_speed [--threads N] [--json]

Whole training steps (drawing aside): forward, loss, backward and the optimiser's step, on made embeddings and log-mels.
"""

import argparse
import json
import os
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from features.recipe import MelRecipe
from metric_learning.checkpoint import load_checkpoint
from metric_learning.losses import hinge_loss
from metric_learning.model_files import DEFAULT_MODEL_DIR

HEAD_TRACKS, NETWORK_TRACKS, SEGMENTS = 1_024, 64, 3
MIN_S = 5.0  # seconds that each is measured


def steps_a_second(step: Callable[[], None]) -> float:
    """Repeat a step, after one that warms up."""
    step()
    began, n_steps = time.perf_counter(), 0
    while time.perf_counter() - began < MIN_S:
        step()
        n_steps += 1
    return n_steps / (time.perf_counter() - began)


def measure() -> dict[str, float]:
    """Measure both."""
    torch.manual_seed(0)
    encoder, recipe = load_checkpoint(DEFAULT_MODEL_DIR)
    encoder.train()
    encoder.filters.requires_grad_(requires_grad=False)
    users = F.normalize(torch.randn(HEAD_TRACKS, encoder.config.dim), dim=1)

    def trained(embed: Callable[[], Tensor]) -> Callable[[], None]:
        optimiser = torch.optim.Adam([each for each in encoder.parameters() if each.requires_grad], lr=1e-6)

        def step() -> None:
            vectors = embed()
            user, liked = users[: len(vectors)], torch.randperm(len(vectors))
            loss = hinge_loss(user, vectors, vectors[liked][:, None])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()

        return step

    pooled = torch.randn(HEAD_TRACKS, encoder.config.segment_dim)
    log_mel = torch.randn(NETWORK_TRACKS, SEGMENTS, recipe.n_mels, MelRecipe().n_frames) - 8
    network = steps_a_second(trained(lambda: encoder(log_mel)))
    if encoder.taught is not None:
        encoder.taught.requires_grad_(requires_grad=False)
    head = steps_a_second(trained(lambda: encoder.embed_pooled(pooled)))
    return {
        "tracks a second, head alone": head * HEAD_TRACKS,
        "segments a second, whole network": network * NETWORK_TRACKS * SEGMENTS,
    }


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = measure()
    load = os.getloadavg()[0]
    if options.json:
        print(json.dumps({"threads": options.threads, "load": load, **found}))
    else:
        print(f"{options.threads} threads, load {load:.1f}")
        print("\n".join(f"{name}: {value:,.0f}" for name, value in found.items()))


if __name__ == "__main__":
    main()
