"""The contest of the first day: every method under a seed, and the averages over seeds and users."""

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

UserScores = dict[str, dict[str, Floats]]  # by method and metric: (n_late,)


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What is judged."""

    training: FederatedTraining
    head: str
    cut_dim: int
    only_federated: bool


def score_methods(day: FirstDay, choices: Choices, keep: Path | None, seed: int) -> dict[int, UserScores]:
    """Score each method under a seed, or read what a run before kept: metrics of each user, by first plays."""
    file = None if keep is None else keep / f"seed{seed}.npz"
    if file is None or not file.exists():
        found = _train_and_score(day, choices, seed)
        if file is None:
            return found
        flat = {"|".join((str(n), *names)): values for n, scores in found.items() for names, values in _flat(scores)}
        with whole_file(file) as temporary, temporary.open("wb") as out:
            np.savez(out, **flat)
    found = {n_plays: {} for n_plays in N_PLAYS}
    for name, values in np.load(file).items():
        n_plays, method, metric = name.split("|")
        found[int(n_plays)].setdefault(method, {})[metric] = values
    return found


def _flat(scores: UserScores) -> Iterator[tuple[tuple[str, str], Floats]]:
    """List the metrics by both names."""
    for method, metrics in scores.items():
        for metric, values in metrics.items():
            yield (method, metric), values


def _train_and_score(day: FirstDay, choices: Choices, seed: int) -> dict[int, UserScores]:
    """Train each method and score the late users."""
    training = replace(choices.training, seed=seed)
    makers: list[Callable[[], methods.Scorer]] = [
        lambda: methods.federated(
            day, training=training, with_partner=True, head=choices.head, cut_dim=choices.cut_dim
        ),
        lambda: methods.federated(day, training=training, with_partner=False, head=choices.head),
    ]
    if not choices.only_federated:
        makers += [partial(method, day) for method in (methods.popularity, methods.circle_popularity, methods.sound)]
        makers.append(lambda: methods.user_tower(day, seed=seed))
    found: dict[int, UserScores] = {n_plays: {} for n_plays in N_PLAYS}
    for make in makers:
        scorer = make()
        for n_plays, by_method in found.items():
            shown = day.first_plays(n_plays)
            by_method |= {name: score_users(scores, day, shown) for name, scores in scorer(shown).items()}
        say(f"seed {seed}: {', '.join(scorer(shown))} done")
    return found


def average(day: FirstDay, found: Sequence[dict[int, UserScores]]) -> Iterator[Result]:
    """Average the metrics of each user over the seeds, and then over users."""
    for n_plays, first in found[0].items():
        means = {
            method: {name: np.mean([each[n_plays][method][name] for each in found], 0) for name in metrics}
            for method, metrics in first.items()
        }
        yield from summarise(means, day, n_plays=n_plays)
