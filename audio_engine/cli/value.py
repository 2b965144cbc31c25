"""The commands ``score value``, ``score policy`` and ``score value-page``: what tracks are worth, and a page of it."""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

from pathlib import Path
from typing import Annotated

import typer

from audio_engine.atomic_files import whole_file, write_table
from audio_engine.cli.options import AsJson, new_file, table_file
from audio_engine.cli.printing import number, put, put_table, say
from audio_engine.cli.tables import put_rows

N_SHOWN = 20  # tracks of a table for people
N_ON_PAGE = 10  # tracks of a page, where none is named

Plays = Annotated[Path, typer.Argument(metavar="PLAYS", help="A play log: user, track, day or timestamp, action.")]
AtDay = Annotated[float | None, typer.Option(metavar="DAY", help="When; the last day of the log otherwise.")]


def value(
    plays: Plays,
    tracks: Annotated[
        Path, typer.Option(metavar="FILE", help="The catalogue: track; release_day, artist_key, columns of the rules.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", callback=table_file, help="A table: a row a track, the first place first.")
    ],
    events: Annotated[
        Path | None, typer.Option(metavar="FILE", help="user, track, day, kind: favourite, share, purchase, subscribe.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help='Weights and rules, TOML; that of "score policy" otherwise.')
    ] = None,
    circles: Annotated[
        Path | None, typer.Option(metavar="FILE", help="user, and the columns that the policy names.")
    ] = None,
    vectors: Annotated[
        Path | None, typer.Option(metavar="FILE", help='For the forecast: as "audio-engine export" writes them.')
    ] = None,
    at: AtDay = None,
    memory_gb: Annotated[float, typer.Option(help="What DuckDB may use before it spills.")] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Value tracks in dimensions, and place them by a policy."""
    from audio_engine.scoring.value.policy import DIMENSIONS, read_policy
    from audio_engine.scoring.value.value_table import ValueInputs, value_tracks

    rules = read_policy(policy)
    inputs = ValueInputs(plays=plays, tracks=tracks, events=events, circles=circles, vectors=vectors)
    table = value_tracks(inputs, policy=rules, at_day=at, memory_gb=memory_gb)
    write_table(table, out)
    if as_json:
        put_rows(table)
    else:
        shown = table.head(N_SHOWN).select("rank", "track", "score", "given_by", *DIMENSIONS)
        put_table(shown.columns, [[number(cell) for cell in row] for row in shown.iter_rows()])
    say(f"{len(table)} tracks: {out}")


def policy() -> None:
    """Print the example of a policy, with comments.

    Save it, change it, and give it to "score value".
    """
    from audio_engine.scoring.value.policy import EXAMPLE

    put(EXAMPLE.read_text("utf-8").rstrip())


def value_page(
    value: Annotated[Path, typer.Argument(metavar="VALUE", help='What "score value" wrote.')],
    plays: Plays,
    out: Annotated[Path, typer.Option(metavar="FILE", callback=new_file, help="One HTML file that needs no other.")],
    track: Annotated[
        list[str] | None, typer.Option(metavar="TRACK", help="Which; again for more; the first ten otherwise.")
    ] = None,
    tracks: Annotated[Path | None, typer.Option(metavar="FILE", help="Their titles: track, title, artist.")] = None,
    at: AtDay = None,
) -> None:
    """Draw the values of tracks on a page.

    Dimensions as a radar, parts of the score, and the history.
    """
    from audio_engine.scoring.value.page import value_page as page

    text = page(value, plays, track_ids=track or None, n_tracks=N_ON_PAGE, titles=tracks, at_day=at)
    with whole_file(out) as temporary:
        temporary.write_text(text, "utf-8")
    say(f"a page: {out}")
