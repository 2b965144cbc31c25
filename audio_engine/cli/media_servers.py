"""The commands for media servers: link a library, list and forget links, write a playlist."""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from audio_engine.cli.embed import SOME_FAILED
from audio_engine.cli.options import AsJson, CatalogueDir, MaxPerArtist
from audio_engine.cli.printing import length, printable, put_json, put_table, put_tracks, say, short_path, track_values
from audio_engine.errors import NotTrainedError, UnknownTrackError, UnknownUserError

if TYPE_CHECKING:
    from audio_engine.engine import Engine
    from audio_engine.media_servers.accounts import Account, Root
    from audio_engine.media_servers.matching import Link
    from audio_engine.media_servers.media_servers import LinkReport
    from audio_engine.media_servers.server_tracks import Found

PASSWORD = "AUDIO_ENGINE_SERVER_PASSWORD"
SERVER_NAME = "What the server goes by here."
HOWS = {"path": "by path", "recording": "by MusicBrainz id", "tags": "by tags and length"}

Name = Annotated[str, typer.Argument(metavar="NAME", help=SERVER_NAME)]


def link(
    kind: Annotated[Literal["navidrome", "jellyfin", "subsonic"], typer.Argument(metavar="KIND")],
    url: Annotated[
        str | None, typer.Argument(metavar="URL", help="As http://music.example:4533; not needed the second time.")
    ] = None,
    user: Annotated[str, typer.Option(metavar="NAME", help="Who you are on the server.")] = "",
    token: Annotated[bool, typer.Option("--token", help="Ask for an API key instead of a password.")] = False,
    password_file: Annotated[
        str | None, typer.Option(metavar="FILE", help=f"Holds the password or key (-: stdin); or set {PASSWORD}.")
    ] = None,
    root: Annotated[
        list[str] | None,
        typer.Option(metavar="THERE=HERE", help="A folder as the server names it, and where it is here. Repeatable."),
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help=f"{SERVER_NAME} By default its kind.")] = None,
    directory: CatalogueDir = None,
    as_json: AsJson = False,
) -> None:
    """Link the library of a media server to the catalogue.

    Of Navidrome, Jellyfin, or any that speaks Subsonic's API.

    Again, it updates the links. The password is asked for, and never printed, logged or taken from the command line.
    """
    from audio_engine.engine import Engine
    from audio_engine.media_servers.accounts import Account

    with Engine.open(directory, create=False) as engine:
        known = engine.media_servers.accounts.find(name or kind)
        if url is None and known is None:
            raise typer.BadParameter("is needed the first time", param_hint="URL")
        account = Account(
            name=name or kind,
            kind=kind,
            url=(url or (known.url if known else "")).rstrip("/"),
            user=user or (known.user if known else ""),
            roots=_roots(root) if root or known is None else known.roots,
        )
        account, secret = _with_secret(account, known, password_file, is_token=token)
        say(f"reading the library of {printable(account.url)} …")
        report = engine.media_servers.link(
            account, secret, is_token=token, on_songs=lambda n_read: say(f"{n_read} songs read")
        )
        if account.roots and report.n_songs and "path" not in report.by:
            say("no song's file was found by --root THERE=HERE: are both folders right?")
        _put_report(report, as_json=as_json)


def links(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help=SERVER_NAME)] = None,
    ambiguous: Annotated[bool, typer.Option("--ambiguous", help="List songs that may be several tracks.")] = False,
    unknown: Annotated[bool, typer.Option("--unknown", help="List songs that are no track of the catalogue.")] = False,
    unlinked: Annotated[bool, typer.Option("--unlinked", help="List tracks that the server does not have.")] = False,
    directory: CatalogueDir = None,
    as_json: AsJson = False,
) -> None:
    """List the linked servers, or the songs of one."""
    from audio_engine.engine import Engine

    if ambiguous + unknown + unlinked > 1:
        raise typer.BadParameter("one of --ambiguous, --unknown and --unlinked at a time")
    if name is None and (ambiguous or unknown or unlinked):
        raise typer.BadParameter("name a server", param_hint="NAME")
    with Engine.open(directory, create=False) as engine:
        if name is None:
            _put_servers(engine, as_json=as_json)
            return
        engine.media_servers.tracks(name)  # or no such server
        if unlinked:
            tracks = engine.media_servers.unlinked_tracks(name)
            if tracks:
                put_tracks(tracks, as_json=as_json)
            else:
                say(f"{printable(name)} has every track")
            return
        which = "ambiguous" if ambiguous else "unknown" if unknown else "linked"
        songs = engine.media_servers.links.songs(name, which)
        if songs:
            _put_links(songs, as_json=as_json)
        else:
            say(f"no song of {printable(name)} is {which}")


def unlink(name: Name, directory: CatalogueDir = None) -> None:
    """Forget a linked server: its links, and how to log in to it."""
    from audio_engine.engine import Engine

    with Engine.open(directory, create=False) as engine:
        engine.media_servers.unlink(name)
    say(f"{printable(name)} is forgotten")


def playlist(
    who: Annotated[
        str, typer.Argument(metavar="TRACK|USER", help="A track that it begins with, or a user of learn-users.")
    ],
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="A linked server.")],
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="What the playlist is called.")],
    k: Annotated[int, typer.Option("-k", min=1, max=1_000, help="How many songs.")] = 25,
    max_per_artist: MaxPerArtist = None,
    replaced: Annotated[bool, typer.Option("--replace", help="Put the songs in place of those that it has.")] = False,
    add: Annotated[bool, typer.Option("--add", help="Put the songs behind those that it has.")] = False,
    directory: CatalogueDir = None,
    as_json: AsJson = False,
) -> None:
    """Write a playlist into a media server.

    A track and what sounds like it, or tracks for a user.

    It holds only what the server has. If TRACK|USER is both, it is the track.
    """
    from audio_engine.engine import Engine

    if replaced and add:
        raise typer.BadParameter("one of --replace and --add")
    with Engine.open(directory, create=False) as engine:
        engine.media_servers.tracks(to)  # or no such server
        found = _songs_for(engine, who, to, k, max_per_artist=max_per_artist)
        if not found:
            say(f"nothing that fits is linked to {printable(to)}")
            raise typer.Exit(SOME_FAILED)
        report = engine.media_servers.write_playlist(
            to, name, [song_id for song_id, _ in found], mode="replace" if replaced else "add" if add else "new"
        )
    _put_playlist(found, as_json=as_json)
    say(f"{report.n_sent - report.n_missing} songs written to the playlist {printable(name)} of {printable(to)}")
    if report.n_missing:
        say(f"{report.n_missing} of {report.n_sent} did not arrive: the server has them no more (link it again)")
        raise typer.Exit(SOME_FAILED)


def _with_secret(
    account: "Account", known: "Account | None", password_file: str | None, *, is_token: bool
) -> "tuple[Account, str | None]":
    """Find the password or key, or let the account keep what is known of it."""
    if password_file is not None:
        text = sys.stdin.read() if password_file == "-" else Path(password_file).read_text(encoding="utf-8")
        return account, text.rstrip("\r\n")
    if os.environ.get(PASSWORD):
        return account, os.environ[PASSWORD]
    if known is not None and not is_token and known == replace(account, secrets=known.secrets, roots=known.roots):
        return replace(account, secrets=known.secrets), None
    if not sys.stdin.isatty():
        raise ValueError(f"no terminal to ask for the password on: give --password-file or set {PASSWORD}")
    return account, typer.prompt("API key" if is_token else "Password", hide_input=True, err=True)


def _roots(texts: list[str] | None) -> "tuple[Root, ...]":
    """Read THERE=HERE."""
    from audio_engine.catalogue.paths import absolute
    from audio_engine.media_servers.accounts import Root

    roots = []
    for text in texts or ():
        there, equals, here = text.partition("=")
        if not equals or not here:
            raise typer.BadParameter(f"must be THERE=HERE, got {text!r}", param_hint="--root")
        roots.append(Root(server=there.rstrip("/") or there, local=str(absolute(Path(here).expanduser()))))
    return tuple(roots)


def _songs_for(
    engine: "Engine", who: str, to: str, k: int, *, max_per_artist: int | None
) -> "Sequence[tuple[str, Found]]":
    """Find the songs of a playlist: a track that the server may have and its neighbours, or those for a user."""
    from audio_engine.search.neighbours import Neighbour

    server = engine.media_servers.tracks(to)
    try:
        seed = engine.search.seed_of(who)
    except UnknownTrackError:
        try:
            return server.best(lambda n: engine.recommender.tracks_for(user=who, k=n, max_per_artist=max_per_artist), k)
        except (UnknownUserError, NotTrainedError) as error:
            raise UnknownTrackError(f"TRACK|USER must be a track, or a user that was learned, got {who!r}") from error
    first = server.called([Neighbour(rank=0, similarity=1.0, track=seed.track)])
    return [*first, *server.neighbours([seed], k, max_per_artist=max_per_artist)][:k]


def _put_report(report: "LinkReport", *, as_json: bool) -> None:
    """Put on stdout what linking found."""
    if as_json:
        put_json(asdict(report))
        return
    rows: list[tuple[str, object]] = [
        ("songs on the server", report.n_songs),
        ("linked", report.n_linked),
        *((f"  {HOWS[how]}", report.by[how]) for how in HOWS if how in report.by),
        ("ambiguous", report.n_ambiguous),
        ("not in the catalogue", report.n_unknown),
        ("tracks in the catalogue", report.n_tracks),
        ("new links", report.n_added),
        ("links gone", report.n_removed),
    ]
    put_table(("", "value"), rows)
    name = printable(report.name)
    if report.n_ambiguous:
        say(f"ambiguous songs: audio-engine links {name} --ambiguous")
    if report.n_unknown:
        say(f"songs that are no track of the catalogue: audio-engine links {name} --unknown")
    if report.n_linked < report.n_tracks:
        say(f"tracks that the server does not have: audio-engine links {name} --unlinked")


def _put_servers(engine: "Engine", *, as_json: bool) -> None:
    """Put the linked servers on stdout."""
    accounts = {account.name: account for account in engine.media_servers.accounts.all()}
    counts = engine.media_servers.links.servers()
    if not counts and not as_json:
        say("no server is linked: audio-engine link KIND URL --user NAME")
        return
    for each in counts if as_json else ():
        account = accounts.get(each.name)
        told = {"kind": account.kind, "url": account.url, "user": account.user} if account else {}
        put_json(asdict(each) | told)
    if not as_json:
        rows = (
            (
                each.name,
                accounts[each.name].url if each.name in accounts else "",
                each.n_songs,
                each.n_linked,
                each.n_ambiguous,
                each.linked_at,
            )
            for each in counts
        )
        put_table(("name", "url", "songs", "linked", "ambiguous", "when"), rows)


def _put_links(found: "Sequence[Link]", *, as_json: bool) -> None:
    """Put songs on stdout, with the tracks that they are, or may be."""
    if as_json:
        for each in found:
            song = asdict(each.song)
            song.pop("recording_ids")
            put_json(song | {"track_id": each.track_id, "how": each.how, "candidates": list(each.candidates)})
        return
    rows = (
        (
            each.song.song_id,
            each.song.artist,
            each.song.title,
            length(each.song.duration_s),
            each.track_id or " ".join(each.candidates),
            each.how,
            each.song.path,
        )
        for each in found
    )
    put_table(("song", "artist", "title", "length", "track", "by", "path"), rows)


def _put_playlist(found: "Sequence[tuple[str, Found]]", *, as_json: bool) -> None:
    """Put a playlist on stdout."""
    if as_json:
        for song_id, each in found:
            put_json({"song_id": song_id} | track_values(each.track))
        return
    rows = (
        (
            song_id,
            each.track.tags.artist,
            each.track.tags.title or each.track.path.stem,
            length(each.track.tags.duration_s),
            short_path(each.track.path),
        )
        for song_id, each in found
    )
    put_table(("song", "artist", "title", "length", "path"), rows)
