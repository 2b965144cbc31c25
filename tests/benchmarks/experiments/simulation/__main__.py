"""Command of the simulation: content cold-start over thirty days, under six policies of recall, scoring and ranking."""
# ruff: noqa: PLR0917  (a command has as many parameters as it has options)

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from audio_engine.cli.options import AsJson, Audio, Store, World
from audio_engine.cli.printing import put_json, put_table, say
from audio_engine.evaluation.cold_start.data import build_mels, read_world
from audio_engine.metrics.results import Result
from audio_engine.training.mel_cache import default_store
from metric_learning.model_files import DEFAULT_MODEL_DIR
from tests.benchmarks.experiments.simulation.checks import check_response
from tests.benchmarks.experiments.simulation.figure import draw_days
from tests.benchmarks.experiments.simulation.measures import BASE, summarise
from tests.benchmarks.experiments.simulation.policies import POLICIES, check_policies
from tests.benchmarks.experiments.simulation.runs import simulate
from tests.benchmarks.experiments.simulation.world import all_plays, read_simulation

SHOWN = {  # measure: heading
    "like_rate": "like rate",
    "like_rate_last_days": "… last 10 days",
    "new_share": "share of new tracks",
    "new_like_rate": "their like rate",
    "new_likes": "their likes",
    "reached_in_a_week": "100 plays in a week",
    "median_days_to_enough": "days to 100 plays",
    "new_gini": "Gini, new tracks",
    "gini": "Gini, all",
}


def main(
    world: World,
    audio: Audio,
    days: Annotated[int, typer.Option(min=1, help="Length of a run.")] = 30,
    seed: Annotated[list[int] | None, typer.Option(help="Of chance and rankers; again for more.")] = None,
    policy: Annotated[list[str] | None, typer.Option(help="Only this one; again for more.")] = None,
    runs: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Cache of runs, of one world and one version."),
    ] = None,
    figure: Annotated[Path | None, typer.Option(metavar="PNG", help="Draw the days there (the extra train).")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only check how well the simulated responses agree with held-out plays.")
    ] = False,
    model: Annotated[Path | None, typer.Option(metavar="MODEL_DIR", help="The shipped one otherwise.")] = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Simulate days of recall, scoring, ranking and listening in the (simulated) world, audio cold-start on and off."""
    check_policies(policy or ())
    data, model, store = read_world(world, audio), model or DEFAULT_MODEL_DIR, store or default_store()
    if check:
        shape = (data.n_users, len(data.warm) + len(data.cold))
        put_checks(list(check_response(all_plays(world, data), shape, n_warm=len(data.warm))), as_json=as_json)
        return
    build_mels(data, [model], store, on_progress=say)
    say("fitting how users respond …")
    simulated = read_simulation(world, data, model_dir=model, store=store)
    done = []
    for run in simulate(simulated, policies=policy or tuple(POLICIES), seeds=seed or [0], n_days=days, kept=runs):
        say(f"{run.policy}, seed {run.seed}: like rate {run.whole['like_rate']:.3f}")
        done.append(run)
    summaries = list(summarise(done))
    if figure:
        draw_days(summaries, figure)
    if as_json:
        for summary in summaries:
            put_json({name: _finite(value) for name, value in summary.row().items()})
    else:
        put_simulation(summaries)


def put_simulation(summaries: Sequence[Result]) -> None:
    """Print a line per policy, means over seeds with intervals; then the gain of each over "off"."""
    lines: dict[str, dict[str, str]] = {}
    for over in (None, BASE):
        for row in summaries:
            if row.about["day"] is None and row.about["over"] == over:
                name = row.method if over is None else f"{row.method}, over {over}"
                lines.setdefault(name, {})[row.metric] = _cell(row)
    put_table(["policy", *SHOWN.values()], [[name, *map(cells.get, SHOWN)] for name, cells in lines.items()])


def put_checks(checks: Sequence[Result], *, as_json: bool) -> None:
    """Print how well responses agree with held-out plays."""
    if as_json:
        for check in checks:
            put_json(check.row())
    else:
        rows = [(row.about["plays"], row.about["question"], row.metric, _cell(row)) for row in checks]
        put_table(["tracks", "question", "measure", "value"], rows)


def _finite(value: object) -> object:
    """Replace values without a JSON number by None: unknown, or a wait that did not end."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(row: Result) -> str:
    """Format a value with its interval, if there is one."""
    if not math.isfinite(row.value):
        return ""
    digits = 3 if abs(row.value) < 10 else 0
    interval = "" if row.low is None else f" [{row.low:.{digits}f}, {row.high:.{digits}f}]"
    return f"{row.value:.{digits}f}{interval}"


if __name__ == "__main__":
    typer.run(main)
