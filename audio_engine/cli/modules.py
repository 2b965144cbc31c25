"""The commands of ``audio-engine modules``: in which order a home page shows its kinds of modules."""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from audio_engine.atomic_files import write_table
from audio_engine.cli.options import AsJson, new_file, table_file
from audio_engine.cli.printing import number, put, put_json, put_table, say
from audio_engine.cli.tables import put_rows

modules_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The order of modules on each user's home page."
)

Table = Annotated[
    Path, typer.Argument(metavar="TABLE", help="user, kind, consumption (if seen), value; yesterday: slot from 1.")
]
PolicyFile = Annotated[
    Path, typer.Option("--policy", metavar="FILE", help='Slots, floors, cap: TOML, as "modules policy" prints.')
]


class How(StrEnum):
    """The ways to plan."""

    auto = "auto"
    exact = "exact"
    prices = "prices"
    greedy = "greedy"


Method = Annotated[How, typer.Option(help="auto: exact, but by prices if floors couple more than 1,000 users.")]


@modules_app.callback()
def options() -> None:
    """Order the modules of each user's home page by what is consumed and what it is worth."""


@modules_app.command()
def policy() -> None:
    """Print the example of a policy, with comments."""
    from audio_engine.modules.policy import EXAMPLE

    put(EXAMPLE.read_text("utf-8").rstrip())


@modules_app.command()
def plan(
    table: Table,
    policy: PolicyFile,
    out: Annotated[Path, typer.Option(metavar="FILE", callback=table_file, help="A table: a row a user and slot.")],
    alpha: Annotated[float | None, typer.Option(help="Weight of value, in place of the policy's.")] = None,
    method: Method = How.auto,
    as_json: AsJson = False,
) -> None:
    """Plan the pages of all users under floors and a cap on change."""
    from audio_engine.modules import plan_modules, read_pages, read_policy

    rules = read_policy(policy)
    rules = rules if alpha is None else replace(rules, alpha=alpha)
    found = plan_modules(read_pages(table, n_slots=len(rules.slots)), rules, method=method.value)
    rows = found.table()
    write_table(rows, out)
    n_users = len(found.pages)
    if as_json:
        put_json({"users": n_users, "method": found.method, "gain": found.gain, "bound": found.bound})
    else:
        slots = range(1, len(rules.slots) + 1)
        counts = {(kind, slot): n for kind, slot, n in rows.group_by("kind", "slot").len().iter_rows()}
        shares = [
            [kind, *(f"{counts.get((kind, slot), 0) / n_users:.1%}" for slot in slots)] for kind in found.pages.kinds
        ]
        put_table(["kind", *(f"slot {slot}" for slot in slots)], shares)
    bound = "" if not found.bound else f", {found.gain / found.bound:.2%} of what any plan could reach"
    say(f"{n_users} users planned ({found.method}), gain {found.gain:.4g}{bound}: {out}")


@modules_app.command()
def sweep(
    table: Table,
    policy: PolicyFile,
    out: Annotated[Path, typer.Option(metavar="FILE", callback=table_file, help="A table: a row a weight.")],
    alpha: Annotated[list[float] | None, typer.Option(help="A weight of value; again for more.")] = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", callback=new_file, help="The trade-off drawn: .png, .svg or .pdf.")
    ] = None,
    method: Method = How.auto,
    as_json: AsJson = False,
) -> None:
    """Plan at several weights of value, and show its cost."""
    from audio_engine.modules import read_pages, read_policy
    from audio_engine.modules.sweep import ALPHAS, draw_sweep, sweep_alpha

    rules = read_policy(policy)
    pages = read_pages(table, n_slots=len(rules.slots))
    found = sweep_alpha(pages, rules, alphas=alpha or ALPHAS, method=method.value)
    write_table(found, out)
    if figure is not None:
        draw_sweep(found, figure)
    if as_json:
        put_rows(found)
    else:
        put_table(found.columns, [[number(cell) for cell in row] for row in found.iter_rows()])
    say(f"{len(found)} weights: {out}")


@modules_app.command()
def check(
    table: Table,
    log: Annotated[
        Path, typer.Argument(metavar="LOG", help="Random pages: user, slot, kind, propensity, consumed; page.")
    ],
    policy: PolicyFile,
    plan: Annotated[Path, typer.Option(metavar="FILE", help='What "modules plan" wrote.')],
    seed: Annotated[int, typer.Option(help="Of the resamples.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Estimate what a plan would have earned.

    From a log of random pages, by IPS, SNIPS and doubly robust.
    """
    from audio_engine.modules import read_pages, read_policy
    from audio_engine.modules.checking import check_plan, read_log
    from audio_engine.plays.table_files import scan_table

    rules = read_policy(policy)
    pages = read_pages(table, n_slots=len(rules.slots))
    found = check_plan(scan_table(plan).collect(), read_log(log), pages=pages, policy=rules, seed=seed)
    if as_json:
        put_json(asdict(found))
    else:
        rows = [[name.replace("_", " "), number(each)] for name, each in vars(found).items()]
        put_table(["consumption a page", "with 95 % interval over users"], rows)
