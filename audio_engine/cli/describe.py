"""The commands ``describe`` and ``write-tags``: tempo, key and loudness of the tracks, and tags made of them."""
# ruff: noqa: PLC0415, PLR0913, PLR0917  (imports inside commands; a command has as many parameters as it has options)

from collections.abc import Generator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_engine.cli.cpu import give_way, share_of
from audio_engine.cli.embed import DONE, INTERRUPTED, SOME_FAILED, command, in_words
from audio_engine.cli.options import AsJson, CatalogueDir, CpuBudget, Workers
from audio_engine.cli.printing import printable, put, put_json, put_table, say, short_path
from audio_engine.cli.progress import Tally, follow

if TYPE_CHECKING:
    from audio_engine.catalogue.track import Track
    from audio_engine.description.descriptions import DescribeResult, TagResult
    from audio_engine.description.tag_writing import Field
    from audio_engine.engine import Engine


DESCRIBING = "describing tempo, key and loudness"


def describe(
    folders: Annotated[
        list[str] | None, typer.Argument(metavar="FOLDER", help="Only tracks below; all of the catalogue otherwise.")
    ] = None,
    directory: CatalogueDir = None,
    retry: Annotated[bool, typer.Option("--retry", help="Also the tracks that could not be described before.")] = False,
    errors: Annotated[bool, typer.Option("--errors", help="List those tracks and why, and do nothing.")] = False,
    workers: Workers = None,
    cpu_budget: CpuBudget = "100%",
    nice: Annotated[bool, typer.Option("--nice", help="Give way to whatever else wants the processors.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure tempo, key and loudness of tracks that lack them.

    Ctrl-C stops it at any time; finished tracks are kept, and the same command continues from there.
    """
    from audio_engine.catalogue.paths import absolute
    from audio_engine.engine import Engine

    with Engine.open(directory, create=False) as engine:
        if errors:
            _put_failed(engine.descriptions.failed(), as_json=as_json)
            return
        for folder in folders or ():
            if not engine.catalogue.files.n_below(absolute(folder)):
                raise ValueError(f"FOLDER must hold tracks of the catalogue, got none in {folder} (embed it first)")
        if nice:
            give_way()
        tracks = engine.descriptions.pending(*folders or (), retry=retry)
        raise typer.Exit(
            run_describe(engine, tracks, n_workers=workers, cpu_budget=share_of(cpu_budget), as_json=as_json)
        )


def run_describe(
    engine: "Engine", tracks: "Sequence[Track]", *, n_workers: int | None, cpu_budget: float, as_json: bool
) -> int:
    """Describe tracks to the end; returns the exit status."""
    results = engine.descriptions.describe(tracks, n_workers=n_workers, cpu_budget=cpu_budget)
    tally = follow(results, total=len(tracks), as_json=as_json, values=_values, task=DESCRIBING)
    counts = {status: tally.counts[status] for status in ("described", "failed", "missing")}
    (say if as_json else put)(in_words(counts) or "every track is described already")
    if tally.interrupted:
        say(f"stopped: {tally.n_done} done and kept; {command(engine, 'describe')} continues")
        return INTERRUPTED
    if tally.counts["failed"]:
        say(f"{tally.counts['failed']} failed: {command(engine, 'describe --errors')} says why; --retry tries again")
    return SOME_FAILED if tally.counts["failed"] else DONE


def write_tags(
    tracks: Annotated[
        list[str] | None, typer.Argument(metavar="TRACK", help="Track ids, files or folders; all tracks otherwise.")
    ] = None,
    directory: CatalogueDir = None,
    bpm: Annotated[bool, typer.Option("--bpm", help="Write the tempo, in whole beats a minute.")] = False,
    key: Annotated[bool, typer.Option("--key", help='Write the key, as in "Am".')] = False,
    genre: Annotated[bool, typer.Option("--genre", help="Write the predicted genre.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also where a file has another value; only empty ones otherwise.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write tempo, key or genre into the tags of the files.

    Tags that a file has are kept, unless --overwrite is given.

    Each file is replaced at once by a copy with the new tags; its other tags, its sound and its vector stay.
    """
    from audio_engine.engine import Engine

    fields: list[Field] = [name for name, asked in (("bpm", bpm), ("key", key), ("genre", genre)) if asked]  # type: ignore[misc]
    if not fields:
        raise typer.BadParameter("say what to write: --bpm, --key, --genre")
    with Engine.open(directory, create=False) as engine:
        chosen = _chosen(engine, tracks or ())
        results = engine.descriptions.write_tags(chosen, fields, overwrite=overwrite, dry_run=dry_run)
        raise typer.Exit(_put_tagged(results, dry_run=dry_run, as_json=as_json))


def _chosen(engine: "Engine", names: Sequence[str]) -> "list[Track]":
    """Find the tracks that were named: by id, by file, or by a folder that they lie in."""
    if not names:
        return engine.tracks()
    folders = [name for name in names if Path(name).is_dir()]
    found = [engine.find(name) for name in names if name not in folders]
    return found + (engine.descriptions.below(*folders) if folders else [])


def _put_tagged(results: "Generator[TagResult, None, None]", *, dry_run: bool, as_json: bool) -> int:
    """Put on stdout, a line a file, what was written; returns the exit status."""
    tally = Tally()
    for result in results:
        tally.counts[result.status] += 1
        if as_json:
            changes = {name: {"before": before, "after": after} for name, (before, after) in result.written.items()}
            put_json({"status": result.status, "path": result.path, "changes": changes, "error": result.error})
        elif result.status == "tagged":
            words = ", ".join(
                f"{name} {before or '(none)'} -> {after}" for name, (before, after) in result.written.items()
            )
            put(f"{printable(short_path(result.path))}: {printable(words)}")
        elif result.status == "failed":
            say(f"failed: {printable(short_path(result.path))}: {printable(result.error)}")
    counts = {status: tally.counts[status] for status in ("tagged", "unchanged", "failed", "missing")}
    say((in_words(counts) or "no tracks") + (" (dry run: nothing was written)" if dry_run else ""))
    return SOME_FAILED if tally.counts["failed"] else DONE


def _put_failed(tracks: "Sequence[Track]", *, as_json: bool) -> None:
    """Put on stdout which tracks could not be described, and why."""
    if as_json:
        for track in tracks:
            put_json({"track_id": track.track_id, "path": track.path, "error": track.description_error})
    elif tracks:
        rows = ((track.track_id, short_path(track.path), track.description_error) for track in tracks)
        put_table(("id", "path", "error"), rows)
    else:
        say("no track has failed to be described")


def _values(result: "DescribeResult") -> dict[str, object]:
    """Lay out a result for a program."""
    found = {"status": result.status, "path": result.path, "track_id": result.track_id, "error": result.error}
    return {**found, **asdict(result.description), "camelot": result.description.camelot}
