"""Runs of all policies under all seeds, each saved when finished, so that a killed experiment resumes."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio_engine.ranking.ranker import Ranker
from tests.benchmarks.experiments.simulation.days import Chance, run_days
from tests.benchmarks.experiments.simulation.log import LogSoFar, start_factors
from tests.benchmarks.experiments.simulation.measures import Run, measure_run
from tests.benchmarks.experiments.simulation.policies import POLICIES, check_policies, train_ranker
from tests.benchmarks.experiments.simulation.world import SimulatedWorld


def simulate(
    world: SimulatedWorld,
    *,
    policies: Sequence[str] = tuple(POLICIES),
    seeds: Sequence[int] = (0,),
    n_days: int = 30,
    kept: Path | None = None,
) -> Iterator[Run]:
    """Run policies over the same days, seed by seed.

    Parameters
    ----------
    world
        From `read_simulation`.
    policies
        Names in `POLICIES`.
    seeds
        Of the random draws and of the rankers.
    n_days
        Length of a run.
    kept
        A file to which each run is appended as a line of JSON; runs already in it are reused.

    Yields
    ------
    run
        As each is finished.

    Raises
    ------
    ValueError
        When a policy is not known.
    """
    check_policies(policies)
    shape = (len(world.known.user_ids), len(world.known.track_ids))
    done = {(run.policy, run.seed): run for run in read_runs(kept) if run.n_days == n_days} if kept else {}
    factors = start_factors(world.known.plays, shape)
    for seed in seeds:
        rankers: dict[bool, Ranker] = {}
        for name in policies:
            run = done.get((name, seed)) or _run(world, name, rankers, seed=seed, n_days=n_days, factors=factors)
            if kept and (name, seed) not in done:
                with kept.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(run)) + "\n")
            yield run


def _run(
    world: SimulatedWorld,
    name: str,
    rankers: dict[bool, Ranker],
    *,
    seed: int,
    n_days: int,
    factors: NDArray[np.float64],
) -> Run:
    """Run one policy under one seed; ``rankers`` caches those of the seed, with and without vectors."""
    known, policy = world.known, POLICIES[name]
    with_vectors = policy.vectors != "none"
    if with_vectors not in rankers:
        rankers[with_vectors] = train_ranker(known, with_vectors=with_vectors, seed=seed)
    shape = (len(known.user_ids), len(known.track_ids))
    log = LogSoFar(known.plays, shape, first_day=known.first_day, factors=factors)
    days = run_days(world, policy, log, rankers[with_vectors], n_days=n_days, chance=Chance.of(seed, shape))
    return measure_run(name, seed, known, days)


def read_runs(kept: Path) -> list[Run]:
    """Read the runs in a file; none if it does not exist."""
    if not kept.exists():
        return []
    return [Run(**json.loads(line)) for line in kept.read_text(encoding="utf-8").splitlines()]
