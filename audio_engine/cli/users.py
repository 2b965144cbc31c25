"""The commands of ``audio-engine users``: profiles, circles, tiers and personas of the users of a growing play log."""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_engine.atomic_files import whole_file, write_table
from audio_engine.cli.metrics import reasons_in_place
from audio_engine.cli.options import AsJson, CatalogueDir, OutTable, new_file, parquet_file
from audio_engine.cli.printing import number, printable, put, put_json, put_table, say
from audio_engine.cli.tables import put_rows, say_written

if TYPE_CHECKING:
    import polars as pl

    from audio_engine.users.persona_stars import Persona
    from audio_engine.users.user_profiles import UserProfiles

N_LIKED, N_DISLIKED = 5, 2  # values of a dimension that a person sees
N_CIRCLES = 20  # rows that a person sees
ACTIVITY = {  # by tier, in the words of the thresholds printed below it
    "not seen": "no play lately, or ever",
    "new": "first played lately",
    "low asset": "seen and not new, but below a core threshold",
    "core active": "at or above all core thresholds",
}
PROFILE_COLUMNS = ("dimension", "value", "n_plays", "share", "preference", "everyone", "confidence")
CIRCLE_COLUMNS = ("attribute", "circle", "dimension", "value", "n_users", "lift", "shrunk_lift", "low", "high")

users_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Know the users of a play log that grows.")

User = Annotated[str | None, typer.Argument(metavar="USER", help="A user of the plays; without one, --out for all.")]


@users_app.callback()
def options() -> None:
    """Know the users of a play log that grows: what they like, how active they are, how they listen."""


@users_app.command()
def update(
    plays: Annotated[
        Path | None, typer.Argument(metavar="PLAYS", help="New plays; without, tags and sounds are read again.")
    ] = None,
    directory: CatalogueDir = None,
    tracks: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Names in the log, and facts: track, file, artist, genre, language, region …"
        ),
    ] = None,
    audio: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where paths in that table start; its own folder otherwise.")
    ] = None,
    half_life: Annotated[
        float | None, typer.Option(metavar="DAYS", min=0.001, help="Age at which a play counts half; 120 at first.")
    ] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Forget the plays that were added before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add new plays to the profiles.

    In any order: the result is that of all plays at once.
    """
    if rebuild and plays is None:
        raise typer.BadParameter("goes with PLAYS", param_hint="--rebuild")
    with _profiles(directory, create=True) as profiles:
        report = asdict(profiles.update(plays, tracks=tracks, audio=audio, half_life_days=half_life, rebuild=rebuild))
    if as_json:
        put_json(report)
    else:
        rows = ((name.removeprefix("n_").replace("_", " "), number(value)) for name, value in reasons_in_place(report))
        put_table(("", "value"), rows)


@users_app.command()
def profile(
    user: User = None,
    directory: CatalogueDir = None,
    today: Annotated[
        float | None, typer.Option(metavar="DAY", help="As of when; the last day of the plays otherwise.")
    ] = None,
    out: OutTable = None,
    as_json: AsJson = False,
) -> None:
    """Say what a user likes and dislikes.

    By genre, language, region, artist, sound and track.
    """
    _check_one_or_all(user, out)
    with _profiles(directory) as profiles:
        if out:
            profiles.write_profiles(out)
            say(f"profiles of all users: {printable(out)}")
        if user is None:
            return
        table = profiles.profile(user, today=today)
        if as_json:
            put_rows(table)
            return
        shown = _first_and_last(table)
        rows = [
            (row["dimension"], _value(profiles, row), *(number(row[name]) for name in PROFILE_COLUMNS[2:]))
            for row in shown.iter_rows(named=True)
        ]
    put_table([name.removeprefix("n_") for name in PROFILE_COLUMNS], rows)
    if len(shown) < len(table):
        say(f"{len(shown)} of {len(table)} values: of each dimension the most and the least liked; all with --json")


@users_app.command()
def circles(
    users: Annotated[Path, typer.Argument(metavar="USERS", help="A table: user, and attributes such as age_band.")],
    directory: CatalogueDir = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Whose circles; again for more; a+b for both at once. All categories."),
    ] = None,
    dimension: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="genre, language, region, artist, sound or track.")
    ] = None,
    out: OutTable = None,
    as_json: AsJson = False,
) -> None:
    """Say what circles of users prefer more than others do.

    A circle shares an attribute; each lift has a 95 % interval.
    """
    from audio_engine.users.circles import CIRCLE_DIMENSIONS

    with _profiles(directory) as profiles:
        table = profiles.circles(users, attribute or (), dimension or CIRCLE_DIMENSIONS)
    if out:
        write_table(table, out)
        say_written(len(table), out)
    if as_json:
        put_rows(table)
    elif not out:
        above = table.filter(table["low"] > 1)
        rows = ([number(row[name]) for name in CIRCLE_COLUMNS] for row in above.head(N_CIRCLES).iter_rows(named=True))
        put_table([name.removeprefix("n_").replace("_", " ") for name in CIRCLE_COLUMNS], rows)
        say(f"{len(above)} of {len(table)} lifts lie above 1 with their whole interval; all with --json or --out FILE")


@users_app.command()
def tiers(
    directory: CatalogueDir = None,
    users: Annotated[
        Path | None, typer.Option(metavar="FILE", help="All users, with those who never played, and attributes.")
    ] = None,
    assets: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A row per thing a user has: favourites, purchases … (user).")
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML in place of the rules that --show-rules prints.")
    ] = None,
    show_rules: Annotated[bool, typer.Option("--show-rules", help="Print the rules, and do nothing.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            callback=parquet_file,
            help="Parquet: user, tier, recency, days, plays, assets, verticals.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put all users into tiers by activity and named filters."""
    from audio_engine.users.tier_rules import ACTIVITY_TIERS, DEFAULT_RULES, read_rules

    read = read_rules(rules)
    if show_rules:
        put((rules or DEFAULT_RULES).read_text(encoding="utf-8").rstrip())
        return
    with _profiles(directory) as profiles:
        found = profiles.tiers(read, users=users, assets=assets)
    table = found.table()
    if out:
        write_table(table, out)
        say_written(len(table), out)
    if as_json:
        put_rows(table)
        return
    n_in = dict(found.activity["tier"].value_counts().iter_rows())
    n_of = dict(found.verticals["vertical"].value_counts().iter_rows())
    rows = [(tier, n_in.get(tier, 0), ACTIVITY[tier]) for tier in ACTIVITY_TIERS]
    rows += [(tier.name, n_of.get(tier.name, 0), "; ".join(map(str, tier.where))) for tier in read.verticals]
    put_table(("tier", "users", "who"), rows)
    stated = dict(read.rows())
    names = {name: name.replace("_", " ") for name in found.thresholds}
    put_table(
        ("threshold", "value", "rule"),
        [(names[name], number(value), stated[names[name]]) for name, value in found.thresholds.items()],
    )


@users_app.command()
def persona(
    user: User = None,
    directory: CatalogueDir = None,
    card: Annotated[
        Path | None, typer.Option(metavar="FILE", callback=new_file, help="Draw the persona as a PNG.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="What the card calls the user.")] = None,
    out: OutTable = None,
    as_json: AsJson = False,
) -> None:
    """Say how a user listens, in five measures with stars."""
    _check_one_or_all(user, out)
    if card and user is None:
        raise typer.BadParameter("goes with USER", param_hint="--card")
    with _profiles(directory) as profiles:
        if out:
            write_table(profiles.personas(), out)
            say(f"personas of all users: {printable(out)}")
        if user is None:
            return
        found = profiles.persona(user)
        if card:
            from audio_engine.users.persona_card import draw_card

            with whole_file(card) as temporary:
                temporary.write_bytes(draw_card(found, favourites=profiles.favourites(user), name=name or user))
            say(f"a card: {printable(card)}")
    _put_persona(found, as_json=as_json)


@contextmanager
def _profiles(directory: Path | None, *, create: bool = False) -> "Iterator[UserProfiles]":
    """Open the profiles of a catalogue."""
    from audio_engine.engine import Engine
    from audio_engine.users.user_profiles import UserProfiles

    with Engine.open(directory, create=create) as engine:
        yield UserProfiles(engine.catalogue, engine.models)


def _check_one_or_all(user: str | None, out: Path | None) -> None:
    """Refuse a command that names nobody."""
    if user is None and out is None:
        raise typer.BadParameter("name a user, or --out FILE for all", param_hint="USER")


def _first_and_last(table: "pl.DataFrame") -> "pl.DataFrame":
    """Keep of each dimension what is liked most, and what is disliked most."""
    import polars as pl

    place, size = pl.int_range(pl.len()).over("dimension"), pl.len().over("dimension")
    is_last = (place >= size - N_DISLIKED) & (pl.col("weight") < 0)
    return table.filter((place < N_LIKED) | is_last)


def _value(profiles: "UserProfiles", row: dict[str, object]) -> str:
    """Name a value: a track by its title."""
    value = str(row["value"])
    return profiles.title_of(value) if row["dimension"] == "track" else value


def _put_persona(persona: "Persona", *, as_json: bool) -> None:
    """Put a persona on stdout."""
    if as_json:
        put_json(asdict(persona))
        return
    put(f"{printable(persona.user)}: {persona.headline} ({persona.n_plays} plays)")
    rows = ((trait.title, trait.stars * "★" + (5 - trait.stars) * "☆", trait.sentence) for trait in persona.traits)
    put_table(("", "stars", "which says"), rows)
