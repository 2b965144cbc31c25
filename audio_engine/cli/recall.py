"""The commands ``recall`` and ``users-for``: tracks for a user, and users for a track."""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_engine.cli.options import (
    AsJson,
    CatalogueDir,
    Diversity,
    Folder,
    Genre,
    M3u,
    MaxPerArtist,
    TrackArgument,
    VectorsFile,
    YearFrom,
    refuse_with_vectors,
)
from audio_engine.cli.printing import length, printable, put_json, put_table, say, short_path, track_values
from audio_engine.cli.similar import say_nothing_here, say_unknown_genre, write_m3u

if TYPE_CHECKING:
    from audio_engine.catalogue.track import Track
    from audio_engine.recall.recommendations import Interests, Play, RecalledTrack

ONE_INTEREST = "1"

BY = {  # how a user's vector was made, in words
    "user tower and sound": "by the model's user tower and the sound of liked tracks",
    "sound": "by the sound of liked tracks",
}

OnlyNew = Annotated[bool, typer.Option("--only-new", help="Only tracks without a play in the learned log.")]
FreshDays = Annotated[float | None, typer.Option(metavar="DAYS", help="Only tracks embedded within so many days.")]
InterestsOption = Annotated[
    str,
    typer.Option(
        "--interests", metavar="N|auto", help="Into how many groups of sound the likes are divided; auto: as are seen."
    ),
]


def recall(
    user: Annotated[str | None, typer.Argument(metavar="USER", help="A user of the log that was learned.")] = None,
    directory: CatalogueDir = None,
    liked: Annotated[
        list[str] | None, typer.Option(metavar="TRACK", help="Or: what the user likes, again for each track.")
    ] = None,
    disliked: Annotated[
        list[str] | None, typer.Option(metavar="TRACK", help="And what they dislike, again for each track.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many tracks.")] = 10,
    max_per_artist: MaxPerArtist = None,
    genre: Genre = None,
    year_from: YearFrom = None,
    folder: Folder = None,
    only_new: OnlyNew = False,
    fresh_days: FreshDays = None,
    interests: InterestsOption = ONE_INTEREST,
    diversity: Diversity = 0.0,
    vectors: VectorsFile = None,
    log: Annotated[
        Path | None, typer.Option("--plays", metavar="FILE", help="With --vectors: the log that USER is in.")
    ] = None,
    m3u: M3u = None,
    as_json: AsJson = False,
) -> None:
    """Find tracks for a user, and say why.

    Each comes with the liked tracks that explain it; played tracks are left out.
    """
    from audio_engine.catalogue.filters import TrackFilter
    from audio_engine.engine import Engine
    from audio_engine.recall.recommendations import Play

    if (user is None) == (not liked and not disliked):
        raise typer.BadParameter("name a user, or give tracks with --liked and --disliked", param_hint="USER")
    plays = [Play(track=track) for track in liked or ()]
    plays += [Play(track=track, action="dislike") for track in disliked or ()]
    if (log is not None) != (vectors is not None and user is not None):
        raise typer.BadParameter("goes with --vectors and USER, and these with it", param_hint="--plays")
    if vectors is not None:
        refuse_with_vectors(
            genre=genre,
            year_from=year_from,
            folder=folder,
            only_new=only_new,
            fresh_days=fresh_days,
            interests=interests != ONE_INTEREST,
            diversity=diversity,
            catalogue=directory,
        )
        _recall_in_file(vectors, plays, user, log, k, max_per_artist, m3u, as_json=as_json)
        return
    with Engine.open(directory, create=False) as engine:
        found = engine.recommender.tracks_for(
            user=user,
            plays=plays if user is None else None,
            k=k,
            where=TrackFilter(genre=genre, year_from=year_from, folder=folder),
            max_per_artist=max_per_artist,
            only_new=only_new,
            fresh_days=fresh_days,
            interests=interests_of(interests),
            diversity=diversity,
        )
        if not found:
            say_nothing_here(engine)
            say_unknown_genre(engine, genre)
    put_recalled(found, as_json=as_json)
    write_m3u(m3u, [place.track for place in found])


def _recall_in_file(
    vectors: Path,
    plays: "list[Play]",
    user: str | None,
    log: Path | None,
    k: int,
    max_per_artist: int | None,
    m3u: Path | None,
    *,
    as_json: bool,
) -> None:
    """Recall by a table of vectors."""
    from audio_engine.recall.vector_file_recall import plays_of_user, recall_in_file
    from audio_engine.search.vector_file import VectorFile

    file = VectorFile(vectors)
    if user is not None and log is not None:
        plays = plays_of_user(file, log, user)
    found = recall_in_file(file, plays, k, max_per_artist=max_per_artist)
    if not found:
        say(f"no other track in {printable(vectors)} fits")
    put_recalled(found, as_json=as_json)
    write_m3u(m3u, [place.track for place in found])


def users_for(
    track: TrackArgument,
    directory: CatalogueDir = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many users.")] = 10,
    users: Annotated[Path | None, typer.Option(metavar="FILE", help="Only users of this table, column user.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find the users to show a track to, and say why.

    Each comes with the liked tracks that explain them; those who have played it are left out.
    """
    from audio_engine.engine import Engine
    from audio_engine.plays.tables import read_user_names

    with Engine.open(directory, create=False) as engine:
        allowed_users = None if users is None else read_user_names(users)
        found = engine.recommender.users_for(track, k=k, allowed_users=allowed_users)
    if not found:
        say(f"no user that was learned{f' and is in {printable(users)}' if users else ''} has not played it")
    if as_json:
        for place in found:
            values = {
                "rank": place.rank,
                "user": place.user,
                "similarity": round(place.similarity, 6),
                "method": place.method,
            }
            put_json(values | {"reasons": _because_values(place.reasons)})
        return
    if found:
        rows = ((place.rank, f"{place.similarity:.3f}", place.user, _because(place.reasons)) for place in found)
        put_table(("rank", "similarity", "user", "because they liked"), rows)
        say(BY[found[0].method or "sound"])


def put_recalled(found: Sequence["RecalledTrack"], *, as_json: bool) -> None:
    """Put recalled tracks on stdout, each with its reasons; of none, nothing."""
    if not found:
        return
    if as_json:
        for place in found:
            values = {
                "rank": place.rank,
                "score": round(place.score, 6),
                "method": place.method,
                "interest": place.interest,
            }
            put_json(values | track_values(place.track) | {"reasons": _because_values(place.reasons)})
        return
    headings = ("rank", "score", "artist", "title", "length", "because you liked", "path")
    n_interests = len({place.interest for place in found})
    if n_interests == 1:
        put_table(headings, (_recalled_cells(place) for place in found))
    else:
        put_table(("interest", *headings), ((place.interest, *_recalled_cells(place)) for place in found))
    if found[0].method is not None:
        say(BY[found[0].method] + (f", of {n_interests} interests in turn" if n_interests > 1 else ""))


def interests_of(text: str) -> "Interests":
    """Read a number of interests, or auto."""
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError as error:
        raise ValueError(f"interests must be a number or auto, got {text!r}") from error


def _recalled_cells(place: "RecalledTrack") -> tuple[object, ...]:
    """Lay out one line of an answer."""
    tags = place.track.tags
    return (
        place.rank,
        f"{place.score:.3f}",
        tags.artist,
        tags.title or place.track.path.stem,
        length(tags.duration_s),
        _because(place.reasons),
        short_path(place.track.path),
    )


def _because(tracks: Sequence["Track"]) -> str:
    """Name liked tracks."""
    return ", ".join(track.tags.title or track.path.stem for track in tracks)


def _because_values(tracks: Sequence["Track"]) -> list[dict[str, object]]:
    """Lay out liked tracks for a program."""
    return [{"track_id": track.track_id, "title": track.tags.title, "path": printable(track.path)} for track in tracks]
