"""Time and memory of item2vec and EGES on made logs.

    python -m tests.benchmarks.representation_scale --tracks 100000 --plays 1000000

Plays are drawn from 100 groups of tracks, a group a session of five; prints CPU seconds, and the most memory held.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from audio_engine.representations.item2vec import Item2VecRecipe
from audio_engine.representations.pipeline import RepresentationFiles, represent_eges, represent_item2vec
from metric_learning.eges import EgesRecipe
from metric_learning.walks import WalkRecipe

N_GROUPS, SESSION = 100, 5


def main() -> None:
    """Read the options, make a log, learn, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, required=True)
    parser.add_argument("--plays", type=int, required=True)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        session = np.arange(options.plays) // SESSION
        group = rng.integers(N_GROUPS, size=session[-1] + 1)[session]
        track = rng.integers(options.tracks // N_GROUPS, size=options.plays) * N_GROUPS + group
        day = session * 0.1 + np.arange(options.plays) % SESSION * 1e-3
        pl.DataFrame({"user": session // 20, "track": track, "day": day % 1_000}).write_parquet(
            folder / "plays.parquet"
        )
        numbers = np.arange(options.tracks)
        pl.DataFrame({"track": numbers, "artist": numbers // 10}).write_parquet(folder / "tracks.parquet")
        files = RepresentationFiles(plays=folder / "plays.parquet", tracks=folder / "tracks.parquet")
        once = WalkRecipe(n_walks=5, n_epochs=1)
        for name, learn in (
            ("item2vec, one epoch", lambda out: represent_item2vec(files, out, recipe=Item2VecRecipe(n_epochs=1))),
            ("EGES, five walks a track", lambda out: represent_eges(files, out, recipe=EgesRecipe(walks=once))),
        ):
            start = time.process_time()
            learn(folder / "out.parquet")
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            print(f"{name}: {time.process_time() - start:.0f} CPU s, at most {peak:.2f} GB", flush=True)


if __name__ == "__main__":
    main()
