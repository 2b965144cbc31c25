"""The first-day benchmark: ``python -m tests.benchmarks.first_day --help``."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from audio_engine.cli.options import AsJson
from audio_engine.cli.printing import say
from audio_engine.metrics.results import Result
from metric_learning.federated.recipe import FederatedTraining
from tests.benchmarks.experiments.printing import put_rows
from tests.benchmarks.first_day import methods
from tests.benchmarks.first_day.data import FirstDay, read_artificial, read_first_day
from tests.benchmarks.first_day.scores import Floats, score_users, summarise

N_PLAYS = (0, 1, 3, 5)  # first plays that are shown

UserScores = dict[str, dict[str, Floats]]  # by method and metric: (n_late,)


def main(  # noqa: PLR0917  (a file each, and what is chosen)
    plays: Annotated[Path, typer.Option(help="Plays to learn from.")],
    users: Annotated[Path, typer.Option(help="Users with demographics, the late ones among them.")],
    partner: Annotated[Path, typer.Option(help="The partner's features.")],
    vectors: Annotated[Path, typer.Option(help='What "audio-engine export" wrote of the tracks.')],
    first: Annotated[Path | None, typer.Option(help="First plays of late users.")] = None,
    later: Annotated[Path | None, typer.Option(help="What they played later: this judges.")] = None,
    artificial: Annotated[int, typer.Option(help="Instead: so many users of PLAYS are made late, to choose on.")] = 0,
    seeds: Annotated[int, typer.Option(help="Trainings of each method.")] = 3,
    workers: Annotated[int, typer.Option(help="Seeds at a time, a process each.")] = 1,
    only_federated: Annotated[bool, typer.Option(help="Leave out the other methods.")] = False,
    head: Annotated[str, typer.Option(help="mmoe or ple.")] = "mmoe",
    cut_dim: Annotated[int, typer.Option(help="Numbers that cross.")] = 16,
    steps: Annotated[int, typer.Option(help="Steps.")] = FederatedTraining.n_steps,
    n_targets: Annotated[int, typer.Option(help="Plays predicted of a user in a step.")] = FederatedTraining.n_targets,
    list_weight: Annotated[float, typer.Option(help="Of the softmax.")] = FederatedTraining.list_weight,
    weight_decay: Annotated[float, typer.Option(help="Of the weights.")] = FederatedTraining.weight_decay,
    guard: Annotated[str, typer.Option(help="none, max-norm or marvell.")] = "none",
    noise: Annotated[float, typer.Option(help="Noise multiplier of differential privacy at the cut.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Score late users by their first plays (0, 1, 3, 5), with and without what a partner knows of them."""
    if artificial:
        day = read_artificial(plays=plays, users=users, partner=partner, vectors=vectors, n_late=artificial, seed=0)
    elif first and later:
        day = read_first_day(plays=plays, first=first, later=later, users=users, partner=partner, vectors=vectors)
    else:
        raise typer.BadParameter("give --first and --later, or --artificial N")
    training = FederatedTraining(
        n_steps=steps,
        n_targets=n_targets,
        list_weight=list_weight,
        weight_decay=weight_decay,
        guard=guard,  # type: ignore[arg-type]  (is checked there)
        noise_multiplier=noise,
    )
    choices = Choices(training=training, head=head, cut_dim=cut_dim, only_federated=only_federated)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(partial(score_methods, day, choices), range(seeds)))
    put_rows(average(day, found), by=("first plays", "users", "n", "method"), as_json=as_json)


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What is judged."""

    training: FederatedTraining
    head: str
    cut_dim: int
    only_federated: bool


def score_methods(day: FirstDay, choices: Choices, seed: int) -> dict[int, UserScores]:
    """Train each method under a seed; gives the metrics of each user, by first plays and method."""
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


if __name__ == "__main__":
    typer.run(main)
