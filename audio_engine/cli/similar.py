"""The command ``similar``: the tracks most similar to a track, with filters, and steered."""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_engine.cli.embed import command
from audio_engine.cli.options import (
    AsJson,
    Bpm,
    CatalogueDir,
    Diversity,
    Folder,
    Genre,
    Key,
    M3u,
    MaxPerArtist,
    TrackArgument,
    VectorsFile,
    YearFrom,
    refuse_with_vectors,
)
from audio_engine.cli.printing import printable, put_neighbours, say, short_path

if TYPE_CHECKING:
    from audio_engine.catalogue.track import Track
    from audio_engine.engine import Engine
    from audio_engine.search.neighbours import Neighbour


N_GENRES = 8  # of a catalogue, named where a genre is unknown


def similar(
    track: TrackArgument,
    directory: CatalogueDir = None,
    k: Annotated[
        int | None, typer.Option("-k", min=1, help="How many neighbours: 10, or as many as fill --minutes.")
    ] = None,
    like: Annotated[
        list[str] | None, typer.Option(metavar="TRACK[=WEIGHT]", help="Like this one, too; repeat for more.")
    ] = None,
    unlike: Annotated[
        list[str] | None, typer.Option(metavar="TRACK[=WEIGHT]", help="Unlike this one; repeat for more.")
    ] = None,
    variation: Annotated[
        float, typer.Option(min=0, max=1, metavar="0…1", help="How much chance reorders the answer.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(metavar="N", help="Of --variation: the same seed, the same answer.")] = 0,
    diverse: Diversity = 0.0,
    artist_gap: Annotated[int, typer.Option(min=0, metavar="N", help="No artist again within N places.")] = 0,
    minutes: Annotated[float | None, typer.Option(metavar="M", help="A playlist of M minutes, at most.")] = None,
    not_same_artist: Annotated[bool, typer.Option("--not-same-artist", help="Leave out the track's artist.")] = False,
    max_per_artist: MaxPerArtist = None,
    genre: Genre = None,
    not_artist: Annotated[str | None, typer.Option(metavar="NAME", help="Nothing by this artist.")] = None,
    year_from: YearFrom = None,
    year_to: Annotated[int | None, typer.Option(metavar="YEAR", help="Released then or earlier.")] = None,
    min_duration_s: Annotated[
        float | None, typer.Option("--min-duration", metavar="SECONDS", help="Shortest length, in seconds.")
    ] = None,
    max_duration_s: Annotated[
        float | None, typer.Option("--max-duration", metavar="SECONDS", help="Longest length, in seconds.")
    ] = None,
    bpm: Bpm = None,
    key: Key = None,
    folder: Folder = None,
    vectors: VectorsFile = None,
    m3u: M3u = None,
    as_json: AsJson = False,
) -> None:
    """Find the tracks that sound most like one or several tracks.

    Tracks excluded by genre, artist, year, length, tempo, key or folder are replaced by the next most similar.
    """
    from audio_engine.catalogue.filters import TrackFilter
    from audio_engine.engine import Engine
    from audio_engine.search.neighbours import WEAK_SIMILARITY
    from audio_engine.search.steering import PLAIN, Steering, minutes_of

    if vectors is not None:
        refuse_with_vectors(
            like=like,
            unlike=unlike,
            variation=variation,
            diverse=diverse,
            artist_gap=artist_gap,
            minutes=minutes,
            genre=genre,
            not_artist=not_artist,
            year_from=year_from,
            year_to=year_to,
            min_duration=min_duration_s,
            max_duration=max_duration_s,
            bpm=bpm,
            key=key,
            folder=folder,
            catalogue=directory,
        )
        _similar_in_file(vectors, track, k or 10, not_same_artist, max_per_artist, m3u, as_json=as_json)
        return
    bpm_from, bpm_to = (None, None) if bpm is None else _tempos(bpm)
    where = TrackFilter(
        genre=genre,
        not_artist=not_artist,
        year_from=year_from,
        year_to=year_to,
        min_duration_s=min_duration_s,
        max_duration_s=max_duration_s,
        folder=folder,
        bpm_from=bpm_from,
        bpm_to=bpm_to,
        key=key,
    )
    steering = Steering(variation=variation, seed=seed, diverse=diverse, artist_gap=artist_gap, minutes=minutes)
    with Engine.open(directory, create=False) as engine:
        neighbours = engine.similar(
            track,
            k,
            like=dict(map(weighted, like or ())),
            unlike=dict(map(weighted, unlike or ())),
            steering=steering,
            where=where,
            not_same_artist=not_same_artist,
            max_per_artist=max_per_artist,
        )
        tracks = [neighbour.track for neighbour in neighbours]
        if not tracks and not ((where or minutes) and engine.n_tracks):
            say_nothing_here(engine)
        elif minutes is not None:
            say(f"{len(tracks)} tracks, {minutes_of(tracks):.1f} of {minutes:g} minutes")
        elif (where or artist_gap) and not steering.is_filled_by(tracks, k):
            say(f"{len(tracks)} of {steering.n_places(k)}: no more tracks fit")
        if not tracks and engine.n_tracks:
            say_unknown_genre(engine, genre)
    if neighbours:
        put_neighbours(neighbours, as_json=as_json)
        best = neighbours[0].similarity
        if best < WEAK_SIMILARITY and not (like or unlike) and steering == PLAIN:
            say(f"nothing here sounds much like it (best {best:.2f})")
    write_m3u(m3u, tracks)


def _similar_in_file(
    vectors: Path,
    track: str,
    k: int,
    not_same_artist: bool,
    max_per_artist: int | None,
    m3u: Path | None,
    *,
    as_json: bool,
) -> None:
    """Search a table of vectors."""
    from audio_engine.search.vector_file import VectorFile, similar_in_file

    found = similar_in_file(
        VectorFile(vectors), track, k, not_same_artist=not_same_artist, max_per_artist=max_per_artist
    )
    if found:
        put_neighbours(found, as_json=as_json)
    else:
        say(f"no other track in {printable(vectors)} fits")
    write_m3u(m3u, [neighbour.track for neighbour in found])


def weighted(text: str) -> tuple[str | Path, float]:
    """Split TRACK=WEIGHT; without a weight it is 1, and what is a file is no weight."""
    track, _, number = text.rpartition("=")
    try:
        weight = float(number)
    except ValueError:
        return text, 1.0
    return (track, weight) if track and not os.path.exists(text) else (text, 1.0)  # noqa: PTH110  (`exists` may raise)


def _tempos(text: str) -> tuple[float, float]:
    """Read a range of tempos, as in "120-128"; a single one means within half a beat."""
    low, dash, high = text.partition("-")
    try:
        return (float(low), float(high)) if dash else (float(low) - 0.5, float(low) + 0.5)
    except ValueError as error:
        raise ValueError(f"bpm must be a tempo or a range such as 120-128, got {text!r}") from error


def say_far_steps(steps: "Sequence[Neighbour]") -> None:
    """Say so where a path leads from a track to one that does not sound much like it."""
    from audio_engine.search.neighbours import WEAK_SIMILARITY

    least = min((step.similarity for step in steps[1:]), default=1.0)
    if least < WEAK_SIMILARITY:
        say(f"not every step is between tracks that sound much alike (least {least:.2f})")


def say_nothing_here(engine: "Engine") -> None:
    """Explain an empty result: the catalogue is empty, or has no other matching track."""
    if engine.n_tracks:
        say("no other track in the catalogue fits")
        return
    say(f"nothing in {printable(engine.directory)} yet: {command(engine, 'embed FOLDER')}")


def say_unknown_genre(engine: "Engine", genre: str | None) -> None:
    """Name a genre that no track has, and some that there are, the most frequent first."""
    from audio_engine.catalogue.filters import TrackFilter

    if genre is None or engine.catalogue.track_ids(TrackFilter(genre=genre)):
        return
    names = [name for name, _ in engine.catalogue.genre_counts().most_common()]
    more = f" and {len(names) - N_GENRES} more" if len(names) > N_GENRES else ""
    there = f"the genres here are {', '.join(names[:N_GENRES])}{more}" if names else "no track here has a genre"
    say(printable(f"no track has the genre {genre}: {there}"))


def write_m3u(file: Path | None, tracks: "Sequence[Track]") -> None:
    """Write a playlist of the tracks whose files exist, if a file is given, and say so."""
    if file is None:
        return
    from audio_engine.search import playlist

    there = [track for track in tracks if os.path.exists(track.path)]  # noqa: PTH110  (`exists` may raise)
    playlist.write_m3u(file, there)
    say(f"{len(there)} tracks written to {printable(file)}")
    if gone := [short_path(track.path) for track in tracks if track not in there]:
        say(f"{len(gone)} of {len(tracks)} left out, since their files are not there: {printable(', '.join(gone))}")
