"""The commands of ``audio-engine score``: scores of tracks from a play log, printed or written to a file."""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from audio_engine.cli.options import AsJson, OutTable, table_file
from audio_engine.cli.printing import say
from audio_engine.cli.tables import give_frames, give_table
from audio_engine.cli.value import policy, value, value_page

score_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Score tracks from a play log.")

Plays = Annotated[Path, typer.Argument(metavar="PLAYS", help="A play log: user, track, day or timestamp, action.")]
AtDay = Annotated[float | None, typer.Option(metavar="DAY", help="When; the last day of the log otherwise.")]


class Prior(StrEnum):
    """How the prior of a group is found."""

    MOMENTS = "moments"
    LIKELIHOOD = "likelihood"


@score_app.callback()
def options() -> None:
    """Score tracks from a play log."""


@score_app.command()
def rates(
    plays: Plays,
    action: Annotated[str, typer.Option(help="Whose rate: like, dislike, skip.")] = "like",
    prior: Annotated[Prior, typer.Option(help="Match mean and variance of the rates, or take the most likely.")] = (
        Prior.MOMENTS
    ),
    tracks: Annotated[Path | None, typer.Option(metavar="FILE", help="A table of tracks, for --group.")] = None,
    group: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="A prior for each value of it; again for more columns.")
    ] = None,
    out: OutTable = None,
    as_json: AsJson = False,
) -> None:
    """Smooth each track's rate of likes by a Beta prior."""
    from audio_engine.scoring.like_rates import prior_by_likelihood, prior_by_moments
    from audio_engine.scoring.rate_table import rate_tracks

    if group and not tracks:
        raise typer.BadParameter("give --tracks, the table that has the columns", param_hint="--group")
    find_prior = prior_by_moments if prior is Prior.MOMENTS else prior_by_likelihood
    table = rate_tracks(plays, action=action, tracks=tracks, group=group or (), find_prior=find_prior)
    give_table(table, out, as_json=as_json)


@score_app.command()
def decay(
    plays: Plays,
    half_life: Annotated[float, typer.Option(metavar="DAYS", help="Days after which a play counts half.")] = 7.0,
    at: AtDay = None,
    out: OutTable = None,
    as_json: AsJson = False,
) -> None:
    """Sum each track's plays, decayed by their age."""
    from audio_engine.plays.validation import usable_plays
    from audio_engine.scoring.time_decay import decayed_plays

    table = decayed_plays(usable_plays(plays), at_day=at, half_life_days=half_life)
    give_table(table, out, as_json=as_json)


@score_app.command()
def trends(
    plays: Plays,
    recent: Annotated[float, typer.Option(metavar="DAYS", help="Days that are recent.")] = 2.0,
    earlier: Annotated[float, typer.Option(metavar="DAYS", help="Days before, to compare with.")] = 14.0,
    level: Annotated[float, typer.Option(help="Share of the tracks called rising that may be false alarms.")] = 0.05,
    at: AtDay = None,
    out: OutTable = None,
    as_json: AsJson = False,
) -> None:
    """Find the tracks that are rising.

    They have more of the recent plays than their share of the earlier ones explains.
    """
    from audio_engine.plays.validation import usable_plays
    from audio_engine.scoring.trends import TrendSettings, rising_tracks

    settings = TrendSettings(recent_days=recent, earlier_days=earlier, level=level)
    table = rising_tracks(usable_plays(plays), at_day=at, settings=settings)
    say(f"{table['rising'].sum()} of {len(table)} tracks are rising")
    give_table(table, out, as_json=as_json)


@score_app.command()
def exploration(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help='With plays and a value, as "score rates" writes it.')],
    value: Annotated[str, typer.Option(metavar="COLUMN", help="Which column is the value.")] = "smoothed_rate",
    weight: Annotated[float, typer.Option(min=0, help="Of the bonus; that of UCB1 is 1.")] = 1.0,
    enough: Annotated[int, typer.Option(metavar="PLAYS", help="Plays after which a track gets no bonus.")] = 100,
    out: OutTable = None,
    as_json: AsJson = False,
) -> None:
    """Add a bonus to tracks with few plays."""
    from audio_engine.plays.table_files import scan_table
    from audio_engine.scoring.exploration import explore_tracks

    found = explore_tracks(scan_table(table).collect(), value=value, weight=weight, enough=enough)
    give_table(found, out, as_json=as_json)


@score_app.command()
def debias(
    plays: Plays,
    out: Annotated[Path, typer.Option(metavar="FILE", callback=table_file, help="A table: user, rank, track, score.")],
    k: Annotated[int, typer.Option("-k", min=1, help="Tracks a user.")] = 100,
    vectors: Annotated[
        Path | None, typer.Option(metavar="FILE", help='Vectors of the tracks, as "audio-engine export" writes them.')
    ] = None,
    tracks: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Names that the log has for their files: track, path or file.")
    ] = None,
    c: Annotated[
        float | None, typer.Option("--c", help="MACR: how much popularity is taken out, in the unit of the match.")
    ] = None,
    propensity: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="0…1", help="Or: how much more plays of rare tracks weigh.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the training.")] = 0,
) -> None:
    """Recommend with popularity taken out.

    Trains on a play log, and writes each user's best unplayed tracks.
    """
    from audio_engine.scoring.debias import DebiasSettings
    from audio_engine.scoring.debiased_recommendations import SCHEMA, recommend_debiased

    if (c is None) == (propensity is None):
        raise typer.BadParameter("give one of --c and --propensity", param_hint="--propensity")
    settings = DebiasSettings(seed=seed, with_branches=propensity is None, propensity=propensity or 0.0)
    frames = recommend_debiased(plays, vectors=vectors, tracks=tracks, c=c or 0.0, k=k, settings=settings)
    give_frames(frames, SCHEMA, out, as_json=False)


score_app.command("value")(value)
score_app.command("policy")(policy)
score_app.command("value-page")(value_page)
