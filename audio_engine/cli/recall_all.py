"""The commands over all users of a play log: ``learn-users``, and ``recall-all``."""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_engine.cli.options import (
    AsJson,
    CatalogueDir,
    Diversity,
    Folder,
    Genre,
    MaxPerArtist,
    YearFrom,
    table_file,
)
from audio_engine.cli.printing import printable, put_json, put_table, say
from audio_engine.cli.recall import BY, ONE_INTEREST, FreshDays, InterestsOption, OnlyNew, interests_of
from audio_engine.cli.similar import say_unknown_genre

if TYPE_CHECKING:
    from audio_engine.recall.recommendations import LearnedUsersReport

Users = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Users, with the columns that the model was trained with.")
]
Tracks = Annotated[
    Path | None, typer.Option(metavar="FILE", help="What the log calls the tracks: track, and path or file.")
]
Audio = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where paths in that table start; its own folder otherwise.")
]


def learn_users(
    plays: Annotated[
        Path, typer.Argument(metavar="PLAYS", help="Parquet, CSV or JSON lines: user, track, day, completion, action.")
    ],
    directory: CatalogueDir = None,
    users: Users = None,
    tracks: Tracks = None,
    audio: Audio = None,
    as_json: AsJson = False,
) -> None:
    """Learn the users of a play log for this catalogue.

    A track is named in the log by its id, its path, the name of its file without the ending, or as --tracks says.
    """
    from audio_engine.embedding.models import shipped_model_id
    from audio_engine.engine import Engine

    with Engine.open(directory, create=False) as engine:
        report = engine.recommender.learn_users(plays, users=users, tracks=tracks, audio=audio)
    if report.n_of_tower is not None and report.method == "sound" and report.model_id != shipped_model_id():
        say(
            f"the model's user tower was not used: it knows the tracks of {report.n_of_tower} plays only "
            "(give --tracks and --audio, if train had them)"
        )
    if as_json:
        put_json(asdict(report))
    else:
        _put_report(report)


def recall_all(
    out: Annotated[Path, typer.Option(metavar="FILE", callback=table_file, help="A table: user, rank, track, score.")],
    directory: CatalogueDir = None,
    plays: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Learn the users of this log first, as learn-users does.")
    ] = None,
    users: Users = None,
    tracks: Tracks = None,
    audio: Audio = None,
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="Tracks a user.")] = 100,
    max_per_artist: MaxPerArtist = None,
    genre: Genre = None,
    year_from: YearFrom = None,
    folder: Folder = None,
    only_new: OnlyNew = False,
    fresh_days: FreshDays = None,
    interests: InterestsOption = ONE_INTEREST,
    diversity: Diversity = 0.0,
    as_json: AsJson = False,
) -> None:
    """Find tracks for all learned users.

    They are written to a file.
    """
    from audio_engine.catalogue.filters import TrackFilter
    from audio_engine.engine import Engine

    with Engine.open(directory, create=False) as engine:
        if plays is not None:
            learned = engine.recommender.learn_users(plays, users=users, tracks=tracks, audio=audio)
            say(f"{learned.n_users} users learned, {BY[learned.method]}")
        report = engine.recommender.recall_all(
            out,
            k=k,
            where=TrackFilter(genre=genre, year_from=year_from, folder=folder),
            max_per_artist=max_per_artist,
            only_new=only_new,
            fresh_days=fresh_days,
            interests=interests_of(interests),
            diversity=diversity,
            on_done=lambda n_done: say(f"{n_done} users done"),
        )
        if not report.n_rows:
            say_unknown_genre(engine, genre)
    if as_json:
        put_json(asdict(report))
    say(f"{report.n_rows} tracks for {report.n_users} users written to {printable(out)}, {BY[report.method]}")


def _put_report(report: "LearnedUsersReport") -> None:
    """Put on stdout what was learned."""
    rows: list[tuple[str, object]] = [
        ("users", report.n_users),
        ("users without a vector", report.n_without),
        ("plays", report.n_plays),
        ("plays left out", report.n_left_out),
        *((f"  {reason.replace('_', ' ')}", n_plays) for reason, n_plays in report.left_out.items() if n_plays),
        *(
            (words, n_plays)
            for words, n_plays in (
                ("plays of tracks not in this catalogue", report.n_elsewhere),
                ("plays of names that fit several tracks", report.n_shared),
            )
            if n_plays
        ),
        ("tracks played", report.n_tracks),
        ("vectors", BY[report.method]),
    ]
    put_table(("", "value"), rows)
