"""Print the time of exploring a catalogue: text search, the map, waveform outlines, matches.

`python -m tests.benchmarks.search_speed --catalogue DIR [--tracks N] [--track FILE] [--umap]`: names and vectors are
those of a catalogue, enlarged to so many tracks (each vector with a little noise).
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from audio_engine import Catalogue, Engine
from audio_engine.catalogue.track import Embedded
from audio_engine.embedding.models import Models
from audio_engine.search import catalogue_map, projection
from audio_engine.search.catalogue_map import MapCache, laid_out
from features.peaks import read_peaks

NOISE = 0.05  # of each number, before the vector is brought to unit length
N_TIMES = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalogue", type=Path, required=True)
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--track", type=Path, action="append", default=[])
    parser.add_argument("--umap", action="store_true", help="lay out a map with UMAP, which takes minutes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        n_real = enlarge(arguments.catalogue, Path(folder), arguments.tracks)
        print(f"| {arguments.tracks:,} tracks, made of {n_real} | seconds |\n|---|---|")
        with Engine.open(folder) as engine:
            tell("first search by name", lambda: engine.search.by_text("theme"), n_times=1)
            tell("later search, one word", lambda: engine.search.by_text("theme"))
            tell("later search, three words", lambda: engine.search.by_text("the theme 99"))
            if not arguments.umap:
                projection.find_spec = lambda _: None  # type: ignore[attr-defined,assignment]
            tell(f"first map ({projection.installed()})", engine.search.map, n_times=1)
            tell("map kept in a file", lambda: MapCache(engine.catalogue, Models(engine.catalogue)).current())
            engine.remove(engine.search.by_text("theme", 1)[0].track_id)
            tell("map after a change", engine.search.map, n_times=1)
            _, _, vectors = engine.catalogue.stamped_vectors(engine.models.active_id)
            n_anchors = min(catalogue_map.N_UMAP, len(vectors) // 2)
            new, anchors, places = vectors[-1_000:], vectors[:n_anchors], np.zeros((n_anchors, 2), np.float32)
            tell(f"1,000 tracks put among {n_anchors:,}", lambda: catalogue_map.placed(new, anchors, places))
            if arguments.umap:
                tell("laid out again (compiled)", lambda: laid_out(vectors), n_times=1)
    for track in arguments.track:
        tell(f"outline of {track.name} ({read_peaks(track).duration_s:.0f} s)", lambda track=track: read_peaks(track))


def enlarge(catalogue: Path, folder: Path, n_tracks: int) -> int:
    """Write a catalogue of many tracks that are like those of another."""
    with Catalogue(catalogue) as real, Catalogue(folder) as large:
        track_ids, vectors = real.vectors(real.model_id or "")
        tags = [track.tags for track in map(real.track, track_ids) if track is not None]
        large.set_model(real.model_id or "")
        rng = np.random.default_rng(0)
        for first in range(0, n_tracks, 10_000):
            rows = range(first, min(first + 10_000, n_tracks))
            noisy = vectors[np.array(rows) % len(vectors)] + NOISE * rng.standard_normal((len(rows), vectors.shape[1]))
            noisy = (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)
            large.write(
                [
                    _track(row, vector, tags[row % len(tags)], real.model_id)
                    for row, vector in zip(rows, noisy, strict=True)
                ]
            )
    return len(track_ids)


def _track(row: int, vector: np.ndarray, tags: object, model_id: str | None) -> Embedded:
    tags = replace(tags, title=f"{tags.title} {row}")  # type: ignore[type-var,attr-defined]
    path = Path(f"/music/{row % 997}/theme {row}.mp3")
    return Embedded(
        path=path, content_hash=f"{row:08x}", file_size=1, mtime_ns=1, tags=tags, model_id=model_id or "", vector=vector
    )


def tell(name: str, do: Callable[[], object], *, n_times: int = N_TIMES) -> None:
    """Print the least of a few times."""
    times = []
    for _ in range(n_times):
        start_s = time.perf_counter()
        do()
        times.append(time.perf_counter() - start_s)
    print(f"| {name} | {min(times):.3f} |", flush=True)


if __name__ == "__main__":
    main()
