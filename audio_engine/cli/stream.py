"""The commands of ``audio-engine stream``: count a stream of plays into values of tracks, and read these."""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

import sys
from contextlib import closing
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from audio_engine.cli.options import AsJson, OutTable
from audio_engine.cli.printing import put, put_json, say
from audio_engine.cli.tables import give_table
from audio_engine.cli.watch import stopped_by_signals

stream_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Values of tracks from a stream of plays.")

Sink = Annotated[Path, typer.Argument(metavar="SINK", help="A folder for the values.")]


class Late(StrEnum):
    """What becomes of records that come later than ids are remembered."""

    KEEP = "keep"
    DROP = "drop"


class Format(StrEnum):
    """Of the files of a folder."""

    PARQUET = "parquet"
    JSON = "json"


@stream_app.callback()
def options() -> None:
    """Values of tracks from a stream of plays."""


@stream_app.command()
def run(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A folder of Parquet or JSON lines, or kafka://HOST:PORT/TOPIC.")
    ],
    sink: Sink,
    file_format: Annotated[
        Format | None, typer.Option("--format", help="Of the files; what is in the folder tells it otherwise.")
    ] = None,
    every: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Go on for ever, a batch so often; else only what is there.")
    ] = None,
    half_life: Annotated[float, typer.Option(metavar="DAYS", help="Days after which a play counts half.")] = 7.0,
    watermark: Annotated[float, typer.Option(metavar="HOURS", help="Hours for which event ids are remembered.")] = 24.0,
    late: Annotated[
        Late, typer.Option(help="Records whose time is older than that: count them, or leave them out.")
    ] = (Late.KEEP),
    batch_mb: Annotated[float, typer.Option(metavar="MB", help="Of files in a batch.")] = 64.0,
    master: Annotated[str, typer.Option(metavar="URL", help="Of Spark: which machines, how many cores.")] = "local[*]",
    memory: Annotated[str, typer.Option(metavar="SIZE", help="Of Spark's driver.")] = "1g",
    as_json: AsJson = False,
) -> None:
    """Count plays and events by track as they come.

    Each once, until there are no more, or Ctrl-C.
    """
    from audio_engine.streaming.sink import SinkRecipe
    from audio_engine.streaming.spark_job import StreamSettings, stream_values

    settings = StreamSettings(
        recipe=SinkRecipe(half_life_days=half_life, late=late.value),
        watermark_hours=watermark,
        file_format=None if file_format is None else file_format.value,
        every_s=every,
        batch_mb=batch_mb,
        master=master,
        memory=memory,
    )
    n_batches = 0
    with (
        stopped_by_signals() as stop,
        closing(stream_values(source, sink, settings=settings, stop=stop)) as reports,
    ):
        for report in reports:
            n_batches += 1
            if as_json:
                put_json(asdict(report))
            else:
                put(
                    f"batch {report.batch}: {report.records} records in {report.seconds:.1f} s; {report.left_out} left "
                    f"out, {report.duplicates} duplicates, {report.late} too late; {report.remembered} ids remembered"
                )
            sys.stdout.flush()  # whoever reads along sees each batch once it is in the sink
    if not n_batches:
        say("nothing new")


@stream_app.command()
def values(
    sink: Sink,
    at: Annotated[float | None, typer.Option(metavar="DAY", help="When; as of the latest record otherwise.")] = None,
    weight: Annotated[float, typer.Option(min=0, help="Of the bonus for few plays; that of UCB1 is 1.")] = 1.0,
    enough: Annotated[int, typer.Option(metavar="PLAYS", help="Plays after which a track gets no bonus.")] = 100,
    out: OutTable = None,
    as_json: AsJson = False,
) -> None:
    """List the values of the tracks so far.

    Cooled plays, counts, like rate, value with exploration bonus.
    """
    from audio_engine.streaming.track_values import Exploration, track_values

    table = track_values(sink, at_day=at, exploration=Exploration(weight=weight, enough=enough))
    give_table(table, out, as_json=as_json)
