"""Print the cost of a catalogue's index and filters, by size, as Markdown.

    python -m tests.benchmarks.index_cache --sizes 50000 200000

Tracks, tags and vectors are synthetic: an exact index, and SQL, take as long on any. CPU seconds of one core.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np

from audio_engine import Catalogue, TrackFilter
from audio_engine.catalogue.track import DIM
from index.vector_index import VectorIndex

T = TypeVar("T")

MODEL_ID = "made up"
FILTERS = {
    "genre": TrackFilter(genre="electronic"),
    "year": TrackFilter(year_from=1961),
    "not artist": TrackFilter(not_artist="artist 7"),
    "folder": TrackFilter(folder="/music/7"),
    "genre, year and length": TrackFilter(genre="electronic", year_from=1990, min_duration_s=590),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50_000, 200_000])
    print("| tracks | step | seconds | tracks let through |\n|---|---|---|---|")
    for n_tracks in parser.parse_args().sizes:
        with TemporaryDirectory() as folder:
            for step, spent_s, n_through in measure(Path(folder), n_tracks):
                print(f"| {n_tracks:,} | {step} | {spent_s:.3f} | {n_through} |", flush=True)


def measure(folder: Path, n_tracks: int) -> Iterator[tuple[str, float, str]]:
    """Fill a catalogue, then time each step: its name, processor seconds, tracks that a filter lets through."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(n_tracks, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with Catalogue(folder) as catalogue:
        yield "fill the catalogue", timed(lambda: fill(catalogue, vectors))[1], ""
        (_, track_ids, read), spent_s = timed(lambda: catalogue.stamped_vectors(MODEL_ID))
        yield "read the vectors", spent_s, ""
        index, spent_s = timed(lambda: VectorIndex.build(track_ids, read, kind="exact"))
        yield "build an exact index", spent_s, ""
        yield "save it", timed(lambda: index.save(folder / "x.aidx"))[1], ""
        index, spent_s = timed(lambda: VectorIndex.load(folder / "x.aidx"))
        yield "check and map the file", spent_s, ""
        for name, where in FILTERS.items():
            found, spent_s = timed(lambda where=where: catalogue.track_ids(where))
            yield f"{name}: ask the catalogue", spent_s, f"{len(found):,}"
            subset, spent_s = timed(lambda found=found: index.subset(found))
            yield f"{name}: look up in the index", spent_s, f"{len(found):,}"
            yield f"{name}: search", timed(lambda subset=subset: index.search(vectors[:1], 28, subset))[1], ""


def fill(catalogue: Catalogue, vectors: np.ndarray) -> None:
    """Write tracks straight into the tables: `Catalogue.write` would take minutes."""
    names = [f"{number:012x}" for number in range(len(vectors))]
    genres = ("Rock", "Trip-Hop; Electronic", "Pop")
    columns = "track_id, path, file_size, mtime_ns, status, artist, genre, year, duration_s"
    tracks = (
        (
            name,
            f"/music/{n % 1000}/{n}.mp3".encode(),
            f"artist {n % 5000}",
            genres[n % 3],
            1960 + n % 60,
            float(n % 600),
        )
        for n, name in enumerate(names)
    )
    with catalogue._connections.writing() as database:
        database.executemany(f"INSERT INTO tracks ({columns}) VALUES (?, ?, 1, 1, 'embedded', ?, ?, ?, ?)", tracks)
        rows = ((name, MODEL_ID, vector.tobytes()) for name, vector in zip(names, vectors, strict=True))
        database.executemany("INSERT INTO vectors VALUES (?, ?, ?)", rows)


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Do some work; give what it gave, and the processor seconds that it took."""
    start_s = time.process_time()
    return work(), time.process_time() - start_s


if __name__ == "__main__":
    main()
