"""The first-day benchmark: ``python -m tests.benchmarks.first_day --help``."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer

from audio_engine.cli.options import AsJson
from metric_learning.federated.recipe import FederatedTraining
from tests.benchmarks.experiments.printing import put_rows
from tests.benchmarks.first_day.contest import GROUPS, Choices, average, score_group
from tests.benchmarks.first_day.data import read_artificial, read_first_day


def main(  # noqa: PLR0917  (a file each, and what is chosen)
    plays: Annotated[Path, typer.Option(help="Plays to learn from.")],
    users: Annotated[Path, typer.Option(help="Users with demographics, the late ones among them.")],
    partner: Annotated[Path, typer.Option(help="The partner's features.")],
    vectors: Annotated[Path, typer.Option(help='What "audio-engine export" wrote of the tracks.')],
    first: Annotated[Path | None, typer.Option(help="First plays of late users.")] = None,
    later: Annotated[Path | None, typer.Option(help="What they played later: this judges.")] = None,
    artificial: Annotated[int, typer.Option(help="Instead: so many users of PLAYS are made late, to choose on.")] = 0,
    seeds: Annotated[int, typer.Option(help="Trainings of each method.")] = 3,
    first_seed: Annotated[int, typer.Option(help="The first of them.")] = 0,
    keep: Annotated[
        Path | None, typer.Option(help="A folder for the scores of each seed; a run with the same options reads them.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Groups and seeds at a time, a process each.")] = 1,
    groups: Annotated[str, typer.Option(help="Which methods, with commas between.")] = ",".join(GROUPS),
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
    choices = Choices(training=training, head=head, cut_dim=cut_dim)
    jobs = [
        (group, seed)
        for seed in range(first_seed, first_seed + seeds)
        for group in groups.split(",")
        if group != "baselines" or seed == first_seed
    ]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(partial(score_group, day, choices, keep), jobs))
    put_rows(average(day, found), by=("first plays", "users", "n", "method"), as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
