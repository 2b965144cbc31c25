"""The command ``audio-engine metrics``: measures of usage, retention and diversity from a play log."""
# ruff: noqa: PLC0415  (imports inside commands)

from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from audio_engine.cli.options import AsJson
from audio_engine.cli.printing import put_json, put_table


def metrics(  # noqa: PLR0913, PLR0917  (as many parameters as it has options)
    plays: Annotated[Path, typer.Argument(metavar="PLAYS", help="A play log: user, track, day or timestamp, action …")],
    tracks: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The catalogue: track, artist_key, release_day.")
    ] = None,
    users: Annotated[Path | None, typer.Option(metavar="FILE", help="All the users: user.")] = None,
    by_day: Annotated[bool, typer.Option("--by-day", help="A line a day in place of the whole.")] = False,
    new_days: Annotated[float, typer.Option(min=0, help="Days from release in which a track is new.")] = 30.0,
    memory_gb: Annotated[float, typer.Option(help="What DuckDB may use before it spills.")] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Measure usage, retention and diversity of a play log.

    That is: penetration, retention, like rates, coverage, Gini, novelty and diversity.
    """
    from audio_engine.metrics.ecosystem import Day, measure_days, measure_ecosystem

    if by_day:
        rows = [asdict(day) for day in measure_days(plays, memory_gb=memory_gb)]
        if as_json:
            for row in rows:
                put_json(row)
        else:
            names = [field.name for field in fields(Day)]
            put_table([_words(name) for name in names], ([_number(row[name]) for name in names] for row in rows))
        return
    found = asdict(measure_ecosystem(plays, tracks=tracks, users=users, new_days=new_days, memory_gb=memory_gb))
    if as_json:
        put_json(found)
    else:
        put_table(["", "value"], [(_words(name), _number(value)) for name, value in reasons_in_place(found)])


def reasons_in_place(report: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """List a report's numbers, and behind how many rows were left out, how many for what."""
    for name, value in report.items():
        if name == "left_out":
            yield from ((f"  {reason}", n_rows) for reason, n_rows in value.items() if n_rows)
        else:
            yield name, value


def _words(name: str) -> str:
    """Write the name of a measure as people do."""
    return name.removeprefix("n_").replace("_", " ")


def _number(value: float | None) -> str:
    """Write a number, or that it is not known."""
    return "not known" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
