"""The contest of the first day: groups of methods under a seed, and the averages over seeds and users."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from audio_engine.atomic_files import whole_file
from audio_engine.cli.printing import say
from audio_engine.metrics.results import Result
from metric_learning.federated.recipe import FederatedTraining
from tests.benchmarks.first_day import methods
from tests.benchmarks.first_day.data import FirstDay
from tests.benchmarks.first_day.scores import Floats, score_users, summarise

N_PLAYS = (0, 1, 3, 5)  # first plays that are shown
GROUPS = ("federated", "tower", "baselines")  # of methods; the last has no seeds

UserScores = dict[str, dict[str, Floats]]  # by method and metric: (n_late,)


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What is judged."""

    training: FederatedTraining
    head: str
    cut_dim: int


def score_group(day: FirstDay, choices: Choices, keep: Path | None, job: tuple[str, int]) -> dict[int, UserScores]:
    """Score a group of methods under a seed, or read what a run before kept: metrics of each user, by first plays."""
    group, seed = job
    file = None if keep is None else keep / f"{group}{seed}.npz"
    if file is None:
        return _train_and_score(day, choices, group, seed)
    if not file.exists():
        found = _train_and_score(day, choices, group, seed)
        flat = {"|".join((str(n), *names)): values for n, scores in found.items() for names, values in _flat(scores)}
        with whole_file(file) as temporary, temporary.open("wb") as out:
            np.savez(out, **flat)
    found = {n_plays: {} for n_plays in N_PLAYS}
    for name, values in np.load(file).items():
        n_plays, method, metric = name.split("|")
        found[int(n_plays)].setdefault(method, {})[metric] = values
    return found


def average(day: FirstDay, found: Sequence[dict[int, UserScores]]) -> Iterator[Result]:
    """Average the metrics of each user over the seeds, and then over users."""
    for n_plays in N_PLAYS:
        runs = [scores for each in found for scores in each[n_plays].items()]
        means = {
            method: {
                metric: np.mean([scores[metric] for name, scores in runs if name == method], 0) for metric in metrics
            }
            for method, metrics in dict(runs).items()
        }
        yield from summarise(means, day, n_plays=n_plays)


def _flat(scores: UserScores) -> Iterator[tuple[tuple[str, str], Floats]]:
    """List the metrics by both names."""
    for method, metrics in scores.items():
        for metric, values in metrics.items():
            yield (method, metric), values


def _train_and_score(day: FirstDay, choices: Choices, group: str, seed: int) -> dict[int, UserScores]:
    """Train each method of a group and score the late users."""
    found: dict[int, UserScores] = {n_plays: {} for n_plays in N_PLAYS}
    for make in _makers(day, choices, group, seed):
        scorer = make()
        for n_plays, by_method in found.items():
            shown = day.first_plays(n_plays)
            by_method |= {name: score_users(scores, day, shown) for name, scores in scorer(shown).items()}
    say(f"seed {seed}: {', '.join(found[0])} done")
    return found


def _makers(day: FirstDay, choices: Choices, group: str, seed: int) -> list[Callable[[], methods.Scorer]]:
    """List the methods of a group, untrained."""
    if group == "baselines":
        return [partial(method, day) for method in (methods.popularity, methods.circle_popularity, methods.sound)]
    if group == "tower":
        return [partial(methods.user_tower, day, seed=seed)]
    federated = partial(
        methods.federated,
        day,
        training=replace(choices.training, seed=seed),
        head=choices.head,
        cut_dim=choices.cut_dim,
    )
    return [partial(federated, with_partner=True), partial(federated, with_partner=False)]
