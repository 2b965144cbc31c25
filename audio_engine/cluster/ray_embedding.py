"""Embedding on a Ray cluster: a Ray Data pipeline from sources to a table of vectors.

list → read (tasks of a few tracks each, on CPUs) → embed (actors that hold the model, on GPUs if there are any) →
Parquet. Ray repeats the tasks of a process or machine that died; a repeated run skips what is already written.
"""
# ruff: noqa: PLC0415  (ray is an extra, and slow to import)

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from audio_engine.catalogue.paths import local_path
from audio_engine.cluster.listing import list_uris
from audio_engine.cluster.locations import open_home
from audio_engine.cluster.stages import EmbedTracks, read_track
from audio_engine.cluster.vector_table import drop_unfinished, read_columns
from features.recipe import MelRecipe
from metric_learning.model_files import DEFAULT_MODEL_DIR, model_id_of, read_model_files, read_recipe

# The audio of a task, 85 MB, is one block (128 MB at most): a repeated task is all or nothing.
TRACKS_A_TASK = 16
TRACKS_A_RUN = 200_000  # of the pipeline: Ray keeps 5 kB per track in the driver, and schedules 4,000 of them a second
ROWS_A_FILE = 1_000  # of the table; rows not yet in a file when the driver dies are embedded again
WRITE_CPUS = 0.1  # of a core, for a task that writes a few hundred kB


@dataclass(frozen=True, kw_only=True)
class RayRun:
    """The result of a run."""

    n_listed: int
    n_before: int  # already in the table
    n_embedded: int  # in this run
    n_failed: int  # in this run


def embed_with_ray(
    sources: Sequence[str], out: str, *, model_dir: Path = DEFAULT_MODEL_DIR, rows_per_file: int = ROWS_A_FILE
) -> RayRun:
    """Embed the files of sources on a Ray cluster, and write a table.

    Uses the cluster that `ray` is connected to, else the one that ``RAY_ADDRESS`` names or that runs on this machine,
    else a new one on this machine alone.

    Parameters
    ----------
    sources
        As for `audio_engine.cluster.listing.list_uris`; local paths must be the same on every machine.
    out
        A folder, by path or URI, that every machine can write to.
    model_dir
        The model; it is sent to the machines from here.
    rows_per_file
        Minimum number of rows in each file of the table except the last.

    Raises
    ------
    FileNotFoundError
        When a source or the model does not exist.
    NotADirectoryError
        When `out` is a file.
    ValueError
        When a source cannot be read, or the table is of another model.
    """
    uris = list_uris(sources)
    table = out if "://" in out else os.path.abspath(out)  # noqa: PTH100  (links are kept as they are)
    drop_unfinished(table)
    before = _written(table, model_id_of(model_dir))
    to_do = uris.filter(~uris.is_in(before["uri"].implode()))
    if len(to_do):
        with _cluster():
            for piece in to_do.to_frame("uri").iter_slices(TRACKS_A_RUN):
                _run(piece, table, model_dir=model_dir, rows_per_file=rows_per_file)
    after = _written(table, model_id_of(model_dir)).filter(pl.col("uri").is_in(to_do.implode()))
    n_failed = int((after["error"] != "").sum())
    n_before = len(uris) - len(to_do)
    return RayRun(n_listed=len(uris), n_before=n_before, n_embedded=len(after) - n_failed, n_failed=n_failed)


def _written(table: str, model_id: str) -> pl.DataFrame:
    """Read the rows already in a table, and refuse one of another model."""
    written = read_columns(table, "uri", "model_id", "error")
    for other in written["model_id"].unique():
        if other != model_id:
            raise ValueError(f"out must hold vectors of model {model_id}, got a table of {other} (name another folder)")
    return written


@contextmanager
def _cluster() -> Iterator[None]:
    """Connect to the cluster, unless the caller has done so."""
    import ray

    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read by Ray when it starts a cluster: disables telemetry
    ray.init()
    try:
        yield
    finally:
        ray.shutdown()


def _run(uris: pl.DataFrame, table: str, *, model_dir: Path, rows_per_file: int) -> None:
    """Build the pipeline and run it to the end."""
    import ray
    from ray.data import ActorPoolStrategy

    filesystem, path = open_home(table)
    recipe = MelRecipe(**read_recipe(model_dir)["mel"])
    device = {"num_gpus": 1} if ray.cluster_resources().get("GPU") else {"num_cpus": 1}
    n_tasks = math.ceil(len(uris) / TRACKS_A_TASK)
    listed = ray.data.from_arrow(uris.to_arrow(), override_num_blocks=n_tasks)
    read = listed.map_batches(
        read_track, batch_size=1, batch_format="pyarrow", fn_kwargs={"recipe": recipe}, num_cpus=1
    )
    embedded = read.map_batches(
        EmbedTracks,
        batch_size=TRACKS_A_TASK,
        batch_format="pyarrow",
        fn_constructor_args=read_model_files(model_dir),
        compute=ActorPoolStrategy(min_size=1),  # and as many more as fit on the cluster
        **device,
    )
    embedded.write_parquet(
        path,
        filesystem=None if local_path(table) else filesystem,
        min_rows_per_file=rows_per_file,
        ray_remote_args={"num_cpus": WRITE_CPUS},
    )
