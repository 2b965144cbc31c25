"""The commands for more than one machine: ``embed --engine ray``, ``export`` and ``import``."""
# ruff: noqa: PLC0415  (imports inside commands)

import shlex
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from audio_engine.cli.embed import DONE, SOME_FAILED, command
from audio_engine.cli.options import AsJson, CatalogueDir, parquet_file
from audio_engine.cli.printing import printable, put, put_json, say, short_path


def embed_on_cluster(sources: list[str], out: str, *, directory: Path | None, as_json: bool) -> int:
    """Embed on a Ray cluster with the model of a catalogue, by default the one that ships; returns the exit status."""
    from audio_engine.cluster.ray_embedding import embed_with_ray
    from audio_engine.engine import Engine
    from metric_learning.model_files import DEFAULT_MODEL_DIR

    if directory is None:
        run = embed_with_ray(sources, out, model_dir=DEFAULT_MODEL_DIR)
    else:
        with Engine.open(directory) as engine:
            run = embed_with_ray(sources, out, model_dir=engine.models.target_folder)
    counts = {"embedded": run.n_embedded, "failed": run.n_failed, "done_before": run.n_before}
    if as_json:
        put_json(counts)
    else:
        put(
            ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count)
            or "no sound there"
        )
    where = "" if directory is None else f" -c {shlex.quote(printable(directory))}"
    say(f"next: audio-engine import {shlex.quote(printable(out))}{where}")
    return SOME_FAILED if run.n_failed else DONE


def export(
    out: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", callback=parquet_file, help="A Parquet file, for Polars, Spark, DuckDB or pandas."
        ),
    ],
    directory: CatalogueDir = None,
) -> None:
    """Write tracks, tags and vectors to a Parquet file."""
    from audio_engine.engine import Engine

    with Engine.open(directory, create=False) as engine:
        n_rows = engine.export(out)
    say(f"{n_rows} tracks written to {printable(out)}")


def import_(
    tables: Annotated[
        list[str],
        typer.Argument(metavar="PARQUET", help='Files or folders: of "embed --engine ray --out", or of "export".'),
    ],
    directory: CatalogueDir = None,
    as_json: AsJson = False,
) -> None:
    """Import vectors that were computed elsewhere.

    Tracks already in the catalogue are left unchanged, so an import can be repeated.
    """
    from audio_engine.engine import Engine

    counts: Counter[str] = Counter()
    imported = None
    with Engine.open(directory) as engine:
        for result in engine.ingest.import_parquet(*tables):
            counts[result.status] += 1
            if as_json:
                put_json({name: getattr(result, name) for name in ("status", "path", "track_id", "error")})
            elif result.status == "failed":
                say(f"failed: {printable(short_path(result.path))}: {printable(result.error)}")
            if result.status != "failed":
                imported = result.track_id
        words = [f"{count} {status}" for status, count in sorted(counts.items())]
        (say if as_json else put)(", ".join(words) or "nothing new")
        if imported:
            say(f"next: {command(engine, f'similar {imported}')}")
    raise typer.Exit(SOME_FAILED if counts["failed"] else DONE)
