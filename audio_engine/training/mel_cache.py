"""Cache of log-mel segments in one memory-mapped file, so that training never waits for a decoder.

A store's name is derived from its content (the recipe, the files, their sizes and times), so it is never stale; a build
that was killed resumes.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from platformdirs import user_cache_path

from audio_engine.atomic_files import whole_file
from audio_engine.decoding.pool import DecoderPool
from features.decode_errors import DecodeError
from features.mel import LogMel
from features.recipe import MelRecipe
from metric_learning.stored_mels import StoredMels
from metric_learning.time_left import TimeLeft

logger = logging.getLogger(__name__)

WAITING, DONE, FAILED = 0, 1, 2
NAME_BYTES = 8
PROGRESS_EVERY = 100  # log-mels, after which progress is told


@dataclass(frozen=True, kw_only=True)
class MelStore:
    """Log-mel segments on disk."""

    recipe: MelRecipe
    track_ids: tuple[str, ...]  # of the tracks that could be read
    log_mel: NDArray[np.float16]  # (n_tracks, n_segments, n_mels, n_frames), memory-mapped
    rows: NDArray[np.int64]  # (n_tracks,) where each track lies in `log_mel`
    failed: tuple[str, ...]  # tracks that could not be read

    def read(self, track_ids: tuple[str, ...]) -> StoredMels:
        """Find the segments of some tracks; they are read from disk when they are asked for.

        Parameters
        ----------
        track_ids
            Tracks of the store.

        Returns
        -------
        log_mel : (n_tracks, n_segments, n_mels, n_frames)

        Raises
        ------
        ValueError
            When a track is not in the store.
        """
        row_of = dict(zip(self.track_ids, self.rows, strict=True))
        missing = [track_id for track_id in track_ids if track_id not in row_of]
        if missing:
            raise ValueError(
                f"every track must have audio that can be read, got none for {len(missing)} of {len(track_ids)}: "
                f"{', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}"
            )
        return StoredMels(self.log_mel, np.array([row_of[track_id] for track_id in track_ids], np.int64))


def default_store() -> Path:
    """Find the folder where log-mels are kept if no other is named: in the user's cache."""
    return user_cache_path("audio-engine") / "mels"


def cache_mels(
    stores: Sequence[Mapping[str, Path]],
    recipe: MelRecipe,
    directory: Path,
    *,
    n_workers: int = 1,
    on_progress: Callable[[str], None] = logger.info,
) -> None:
    """Build the stores of several sets of tracks, and tell how it goes.

    Parameters
    ----------
    stores
        Audio file by track, for each set.
    recipe, directory, n_workers
        As `build_mel_store` takes them.
    on_progress
        Called with a line of text for each track that cannot be read, and for every hundredth log-mel.
    """
    total = sum(n_waiting(files, recipe, directory) for files in stores)
    time_left = TimeLeft(total=total)
    done = chain.from_iterable(build_mel_store(files, recipe, directory, n_workers=n_workers) for files in stores)
    for n_done, (track_id, error) in enumerate(done, 1):
        if error:
            on_progress(f"{track_id}: {error}")
        if n_done % PROGRESS_EVERY == 0:
            on_progress(f"{n_done} of {total} log-mels computed, {time_left.after(n_done)}")


def n_waiting(files: Mapping[str, Path], recipe: MelRecipe, directory: Path) -> int:
    """Count the log-mels that a store lacks; arguments as `build_mel_store` takes them, and nothing is made."""
    state_path = directory / f"{_name(files, recipe)}.state.npy"
    return int((np.load(state_path) == WAITING).sum()) if state_path.exists() else len(files)


def build_mel_store(
    files: Mapping[str, Path], recipe: MelRecipe, directory: Path, *, n_workers: int = 1
) -> Iterator[tuple[str, str]]:
    """Decode and transform what a store lacks; run this to the end, then `open_mel_store`.

    Parameters
    ----------
    files
        Audio file by track.
    recipe
        Of the segments.
    directory
        Where stores lie; made where it is missing.
    n_workers
        Decoder processes.

    Yields
    ------
    track_id, error
        One for each track as it is done; the error is empty where it could be read.
    """
    if not files:
        return
    mels, state = _arrays(files, recipe, directory, writable=True)
    transform = LogMel(recipe)
    names = list(files)
    waiting = [row for row in range(len(names)) if state[row] == WAITING]
    with DecoderPool(recipe, n_workers=n_workers) as pool, ThreadPoolExecutor(n_workers) as threads:

        def read(row: int) -> NDArray[np.float32] | str:
            try:
                return pool.read(files[names[row]]).segments
            except DecodeError as error:
                return str(error)

        for start in range(0, len(waiting), 8 * n_workers):  # a few at a time: memory stays flat
            rows = waiting[start : start + 8 * n_workers]
            for row, segments in zip(rows, threads.map(read, rows), strict=True):
                if isinstance(segments, str):
                    state[row] = FAILED
                    yield names[row], segments
                    continue
                with torch.inference_mode():
                    mels[row] = transform(torch.from_numpy(segments)).numpy()
                state[row] = DONE
                yield names[row], ""
            for array in (mels, state):
                array.flush()


def open_mel_store(files: Mapping[str, Path], recipe: MelRecipe, directory: Path) -> MelStore:
    """Open a store that has been built.

    Parameters
    ----------
    files, recipe, directory
        As given to `build_mel_store`.

    Returns
    -------
    store
        Of the tracks that could be read.
    """
    mels, state = _arrays(files, recipe, directory, writable=False)
    names = np.array(list(files), dtype=object)
    rows = np.flatnonzero(np.asarray(state) == DONE)
    return MelStore(
        recipe=recipe,
        track_ids=tuple(names[rows]),
        log_mel=mels,
        rows=rows,
        failed=tuple(names[np.asarray(state) == FAILED]),
    )


def _arrays(
    files: Mapping[str, Path], recipe: MelRecipe, directory: Path, *, writable: bool
) -> tuple["np.memmap[tuple[int, ...], np.dtype[np.float16]]", "np.memmap[tuple[int, ...], np.dtype[np.uint8]]"]:
    """Open the two files of a store, or make them, full of nothing and all waiting."""
    shape = (len(files), recipe.n_segments, recipe.n_mels, recipe.n_frames)
    name = _name(files, recipe)
    mel_path, state_path = directory / f"{name}.mels.npy", directory / f"{name}.state.npy"
    if not state_path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        np.lib.format.open_memmap(mel_path, mode="w+", dtype=np.float16, shape=shape).flush()
        with whole_file(state_path) as temporary, temporary.open("wb") as file:
            np.save(file, np.full(len(files), WAITING, np.uint8))
    mode: Literal["r", "r+"] = "r+" if writable else "r"
    return np.load(mel_path, mmap_mode=mode), np.load(state_path, mmap_mode=mode)


def _name(files: Mapping[str, Path], recipe: MelRecipe) -> str:
    """Name a store by the recipe and the files in it."""
    digest = hashlib.blake2b(json.dumps(asdict(recipe), sort_keys=True).encode(), digest_size=NAME_BYTES)
    for track_id, path in files.items():
        status = path.stat() if path.exists() else None
        digest.update(repr((track_id, path.name, status and (status.st_size, status.st_mtime_ns))).encode())
    return digest.hexdigest()
