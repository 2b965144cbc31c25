"""The first-day benchmark: ``python -m tests.benchmarks.first_day --help``."""

from collections import defaultdict
from collections.abc import Iterator
from functools import partial
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
from tests.benchmarks.first_day.scores import score_users, summarise

N_PLAYS = (0, 1, 3, 5)  # first plays that are shown


def main(  # noqa: PLR0917  (a file each, and what is chosen)
    plays: Annotated[Path, typer.Option(help="Plays to learn from.")],
    users: Annotated[Path, typer.Option(help="Users with demographics, the late ones among them.")],
    partner: Annotated[Path, typer.Option(help="The partner's features.")],
    vectors: Annotated[Path, typer.Option(help='What "audio-engine export" wrote of the tracks.')],
    first: Annotated[Path | None, typer.Option(help="First plays of late users.")] = None,
    later: Annotated[Path | None, typer.Option(help="What they played later: this judges.")] = None,
    artificial: Annotated[int, typer.Option(help="Instead: so many users of PLAYS are made late, to choose on.")] = 0,
    seeds: Annotated[int, typer.Option(help="Trainings of each method.")] = 3,
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
    training = partial(
        FederatedTraining,
        n_steps=steps,
        n_targets=n_targets,
        list_weight=list_weight,
        weight_decay=weight_decay,
        guard=guard,
        noise_multiplier=noise,
    )
    makers = [
        lambda seed: methods.federated(day, training=training(seed=seed), with_partner=True, head=head, cut_dim=cut_dim)
    ]
    makers.append(lambda seed: methods.federated(day, training=training(seed=seed), with_partner=False, head=head))
    if not only_federated:
        fixed = [methods.popularity(day), methods.circle_popularity(day), methods.sound(day)]
        makers += [lambda _, each=each: each for each in fixed]
        makers.append(lambda seed: methods.user_tower(day, seed=seed))
    put_rows(evaluate(day, makers, n_seeds=seeds), by=("first plays", "users", "n", "method"), as_json=as_json)


def evaluate(day: FirstDay, makers: list, *, n_seeds: int) -> Iterator[Result]:
    """Train each method under each seed, and average its scores over the seeds, user by user."""
    found: dict[int, dict[str, dict[str, list]]] = {n: defaultdict(lambda: defaultdict(list)) for n in N_PLAYS}
    for seed in range(n_seeds):
        for make in makers:
            scorer = make(seed)
            for n_plays in N_PLAYS:
                shown = day.first_plays(n_plays)
                for method, scores in scorer(shown).items():
                    for metric, values in score_users(scores, day, shown).items():
                        found[n_plays][method][metric].append(values)
                    say(f"seed {seed}: {method}, {n_plays} first plays done")
    for n_plays, by_method in found.items():
        means = {
            method: {metric: np.mean(values, 0) for metric, values in metrics.items()}
            for method, metrics in by_method.items()
        }
        yield from summarise(means, day, n_plays=n_plays)


if __name__ == "__main__":
    typer.run(main)
