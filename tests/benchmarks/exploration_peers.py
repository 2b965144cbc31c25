"""Print the regret of our policies beside those of mabwiser, on the same new tracks (simulated): a Markdown table.

    python -m tests.benchmarks.exploration_peers ../shared/world

Both begin with one play of every track and no other prior knowledge: mabwiser uses raw rates, and Beta(1, 1) in its
Thompson sampling.
Needs mabwiser, in the extra ``test``.
"""

import sys
from pathlib import Path

import numpy as np
from mabwiser.mab import MAB, LearningPolicy

from audio_engine.metrics.bootstrap import bootstrap_mean
from audio_engine.plays.formats import scan_plays
from audio_engine.scoring.like_rates import BetaPrior, count_likes, prior_by_likelihood, smoothed_rate
from tests.benchmarks.experiments.exploration import (
    ExplorationSettings,
    Policy,
    exploration_metrics,
    play_out,
    policies,
)

N_ROUNDS, N_RUNS, WEIGHT, EPSILON = 1_000, 8, 0.1, 0.1
RAW, FLAT = BetaPrior(alpha=1e-9, beta=1e-9), BetaPrior(alpha=1, beta=1)


def peer(learning: object, *, seed: int) -> Policy:
    """Let a model of mabwiser a run pick, once every track has been played; it learns of a round at the next one."""
    models: list[MAB] = []
    told: list[np.ndarray] = []  # the likes, and the plays, that the models know of

    def choose(likes: np.ndarray, plays: np.ndarray, _: np.random.Generator) -> np.ndarray:
        arms = list(range(plays.shape[1]))
        if not models:
            models.extend(MAB(arms=arms, learning_policy=learning, seed=seed + run) for run in range(len(plays)))
            for model, liked in zip(models, likes, strict=True):
                model.fit(arms, liked)
        else:
            chosen = (plays - told[1]).argmax(1)
            for run, (model, arm) in enumerate(zip(models, chosen, strict=True)):
                model.partial_fit([arm], [likes[run, arm] - told[0][run, arm]])
        told[:] = [likes.copy(), plays.copy()]
        return np.array([model.predict() for model in models])

    return choose


def after_one_each(policy: Policy) -> Policy:
    """Play every track once before the policy picks."""

    def choose(likes: np.ndarray, plays: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        n_played = int(plays[0].sum())
        return policy(likes, plays, rng) if n_played >= plays.shape[1] else np.full(len(plays), n_played)

    return choose


def main() -> None:
    """Print the table."""
    counts = count_likes(scan_plays(Path(sys.argv[1]) / "plays_valid_cold.parquet"))
    likes, plays = counts["likes"].to_numpy(), counts["plays"].to_numpy()
    truth = smoothed_rate(likes, plays, prior_by_likelihood(likes, plays))
    settings = ExplorationSettings(weights=(WEIGHT,), epsilon=EPSILON)
    pairs = (
        ("UCB1", f"bonus for ever, weight {WEIGHT:g}", RAW, LearningPolicy.UCB1(alpha=WEIGHT)),
        ("Thompson sampling", "Thompson sampling", FLAT, LearningPolicy.ThompsonSampling()),
        ("epsilon-greedy", f"epsilon-greedy, {EPSILON:g}", RAW, LearningPolicy.EpsilonGreedy(epsilon=EPSILON)),
    )
    print(f"| simulated, {N_ROUNDS} plays, {N_RUNS} runs | ours: regret a thousand plays | mabwiser |\n|---|---|---|")
    for name, key, prior, learning in pairs:
        cells, ours = [], policies(prior, settings=settings)[key]
        for policy in (after_one_each(ours), after_one_each(peer(learning, seed=0))):
            ended = play_out(truth, policy, n_rounds=N_ROUNDS, n_runs=N_RUNS, seed=0)
            found = bootstrap_mean(exploration_metrics(ended, enough=100)["regret"], seed=0)
            cells.append(f"{found.value:.1f} [{found.low:.1f}, {found.high:.1f}]")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
