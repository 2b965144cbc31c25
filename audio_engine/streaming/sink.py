"""The sink of a stream: a folder of Parquet files that anyone may read while it is written.

::

    SINK/recipe.json                        how its heats decay, and which late records count
    SINK/values/000000000-000000015.parquet   what batches 0 to 15 added, a row a track
    SINK/values/000000016-000000016.parquet   what batch 16 added
    SINK/checkpoint/                        Spark's

A file appears whole or not at all, under the numbers of its batches: a batch that is run again after a crash replaces
what it wrote, so it counts once. From time to time the files are merged into one. The values of a track are the merged
rows of all files (`audio_engine.scoring.heat.merge_heats`).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import polars as pl

from audio_engine.atomic_files import whole_file, write_whole
from audio_engine.errors import TrackValuesError
from audio_engine.scoring.heat import merge_heats
from audio_engine.scoring.time_decay import HALF_LIFE_DAYS, decay_rate

MAX_FILES = 16  # then they are merged
N_TRIES = 10  # of a reader under whom files are merged; each is a new list of them
FILE_NAME = re.compile(r"(\d{9})-(\d{9})\.parquet")
COUNTS = ("plays", "likes", "dislikes", "skips", "favourites", "shares", "purchases", "subscribes")
HEAT_SCHEMA = pl.Schema(
    {
        "track": pl.String,
        "anchor_day": pl.Float64,  # days, of the latest record of the track
        "heat": pl.Float64,  # decayed plays as of that day
        **dict.fromkeys(COUNTS, pl.Int64),
    }
)

Late = Literal["keep", "drop"]


@dataclass(frozen=True, kw_only=True)
class SinkRecipe:
    """What all batches of a sink have in common."""

    half_life_days: float = HALF_LIFE_DAYS  # days after which a play counts half
    late: Late = "keep"  # records whose time lies behind the watermark: count them, or leave them out

    def __post_init__(self) -> None:
        decay_rate(self.half_life_days)  # which checks it
        if self.late not in get_args(Late):
            raise ValueError(f"late must be one of {', '.join(get_args(Late))}, got {self.late!r}")


class BatchFile(NamedTuple):
    """A file of the sink: what the batches from `first` to `last` added."""

    first: int
    last: int
    path: Path


class SinkRead(NamedTuple):
    """What was read of a sink."""

    heats: pl.DataFrame  # as `HEAT_SCHEMA`, a row a track, in the order of their ids
    files: tuple[BatchFile, ...]  # from which
    made_ns: int  # when the sink was made


def open_sink(sink: Path, recipe: SinkRecipe) -> None:
    """Make a sink, or check that the one that is there has this recipe.

    Raises
    ------
    ValueError
        When it has another recipe, or the folder holds something else.
    """
    path = sink / "recipe.json"
    if path.exists():
        if (found := read_recipe(sink)) != recipe:
            raise ValueError(f"{sink} must be written with its own recipe, {found}, got {recipe} (take a new folder)")
        for part in (sink / "values").glob(".*.part"):  # of a writer that was killed
            part.unlink()
        return
    if sink.exists() and any(sink.iterdir()):
        raise ValueError(f"{sink} must be a new folder or a sink, got a folder with other files")
    (sink / "values").mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(asdict(recipe), indent=2).encode())


def read_recipe(sink: Path) -> SinkRecipe:
    """Read the recipe of a sink.

    Raises
    ------
    TrackValuesError
        When the folder is no sink.
    """
    try:
        return SinkRecipe(**json.loads((sink / "recipe.json").read_bytes()))
    except (OSError, TypeError, ValueError) as error:
        raise TrackValuesError(f"sink must be a folder that audio-engine stream run writes, got {sink}") from error


def write_batch(sink: Path, batch: int, heats: pl.DataFrame) -> None:
    """Write what a batch added; one that was written before is replaced, or left where it has been merged.

    Parameters
    ----------
    sink
        The folder.
    batch
        Number of the batch, from 0. Only one process may write.
    heats
        As `HEAT_SCHEMA`, a row a track.
    """
    files = list_files(sink)
    if any(file.first <= batch <= file.last and file.first < file.last for file in files):
        return
    _write(sink, batch, batch, heats.sort("track"))
    if len(files) >= MAX_FILES:
        _merge_files(sink)


def list_files(sink: Path) -> tuple[BatchFile, ...]:
    """List the files that together hold every batch once, in order; those that others contain are left out."""
    found = sorted(_all_files(sink), key=lambda file: (file.first, -file.last))
    kept: list[BatchFile] = []
    for file in found:
        if not kept or file.last > kept[-1].last:
            kept.append(file)
    return tuple(kept)


def read_heats(sink: Path, known: SinkRead | None = None) -> SinkRead:
    """Read the heats of all tracks.

    Parameters
    ----------
    sink
        The folder.
    known
        What was read before: then only what has been added is read, as long as it lies in files of its own.

    Raises
    ------
    TrackValuesError
        When the folder is no sink, or its files cannot be read.
    """
    recipe, made_ns = read_recipe(sink), (sink / "recipe.json").stat().st_mtime_ns
    for _ in range(N_TRIES):
        files = list_files(sink)
        new = _new_files(files, known) if known is not None and known.made_ns == made_ns else None
        try:
            added = _merged(files if new is None else new, recipe)
            heats = added if known is None or new is None else _added_to(known.heats, added, recipe)
            return SinkRead(heats, files, made_ns)
        except (OSError, ValueError, pl.exceptions.PolarsError) as error:
            if list_files(sink) == files:
                raise TrackValuesError(f"the values in {sink} must be files that can be read, got {error}") from error
    raise TrackValuesError(f"the values in {sink} must stay as they are while they are read, got {N_TRIES} changes")


def _new_files(files: tuple[BatchFile, ...], known: SinkRead) -> tuple[BatchFile, ...] | None:
    """Find the files of the batches that are not known; None where they are merged with those that are."""
    last = known.files[-1].last if known.files else -1
    if any(file.first <= last < file.last for file in files):
        return None
    return tuple(file for file in files if file.first > last)


def _all_files(sink: Path) -> Iterator[BatchFile]:
    """List the files of values."""
    folder = sink / "values"
    for path in folder.iterdir() if folder.is_dir() else ():
        if match := FILE_NAME.fullmatch(path.name):
            yield BatchFile(int(match[1]), int(match[2]), path)


def _merged(files: tuple[BatchFile, ...], recipe: SinkRecipe) -> pl.DataFrame:
    """Merge files."""
    tables = (pl.scan_parquet(file.path, glob=False).select(HEAT_SCHEMA.names()) for file in files)
    parts = [pl.LazyFrame(schema=HEAT_SCHEMA), *tables]
    return merge_heats(parts, half_life_days=recipe.half_life_days).select(HEAT_SCHEMA.names()).sort("track").collect()


def _added_to(known: pl.DataFrame, added: pl.DataFrame, recipe: SinkRecipe) -> pl.DataFrame:
    """Merge what was added with the tracks that it touches; the many others stay as they are."""
    touched = known.join(added, on="track", how="semi")
    others = known.join(added, on="track", how="anti", maintain_order="left")
    merged = merge_heats([touched.lazy(), added.lazy()], half_life_days=recipe.half_life_days)
    return others.merge_sorted(merged.select(HEAT_SCHEMA.names()).sort("track").collect(), "track")


def _merge_files(sink: Path) -> None:
    """Merge all files into one; then delete what it contains."""
    files = list_files(sink)
    merged = _write(sink, files[0].first, files[-1].last, _merged(files, read_recipe(sink)))
    for file in _all_files(sink):
        if file.path != merged and file.last <= files[-1].last:
            file.path.unlink()


def _write(sink: Path, first: int, last: int, heats: pl.DataFrame) -> Path:
    """Write a file of values atomically."""
    path = sink / "values" / f"{first:09}-{last:09}.parquet"
    with whole_file(path) as temporary:
        heats.select(HEAT_SCHEMA.names()).write_parquet(temporary)
    return path
