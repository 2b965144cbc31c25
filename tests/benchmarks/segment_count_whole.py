"""Print how well a few segments represent a whole track, as Markdown.

    python -m tests.benchmarks.segment_count_whole --tracks DIR

DIR holds full-length tracks (``../shared/fetch_tracks.sh wesnoth-1.16-music supertuxkart-data``). Each is cut into
forty 3-s segments over its length; the vector of n of the odd ones is compared with that of all twenty even ones, which
share no sound with them: with its own track's, and with those of the others.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from audio_engine.decoding.file_scan import find_audio_files
from features.decode import decode_segments
from metric_learning.embedder import Embedder

N_ALL = 40  # segments cut of a track
COUNTS = (1, 2, 3, 4, 5, 7, 10, 14, 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=Path, required=True)
    options = parser.parse_args()
    embedder = Embedder.load(device="cpu")
    tracks = list(whole_songs(options.tracks, embedder))
    print(f"{len(tracks)} tracks of at least {N_ALL * embedder.recipe.segment_s:g} s\n")
    print("| segments of 3 s | cosine to the other half, mean | least | finds its own other half first |")
    print("|---|---|---|---|")
    others = vectors(tracks, np.arange(0, N_ALL, 2), embedder)
    for n in COUNTS:
        chosen = 2 * np.floor((np.arange(n) + 0.5) * (N_ALL // 2) / n).astype(int) + 1  # middles of n equal parts
        similarity = vectors(tracks, chosen, embedder) @ others.T
        own = np.diag(similarity)
        print(
            f"| {n} | {own.mean():.3f} | {own.min():.3f} | {(similarity.argmax(1) == np.arange(len(own))).mean():.3f} |"
        )


def whole_songs(folder: Path, embedder: Embedder) -> Iterator[Tensor]:
    """Log-mels (1, N_ALL, n_mels, n_frames) of each track that is long enough for its segments not to overlap."""
    recipe = replace(embedder.recipe, n_segments=N_ALL)
    for path in find_audio_files(folder):
        decoded = decode_segments(path, recipe)
        if decoded.duration_s >= N_ALL * recipe.segment_s:
            yield embedder.log_mel_of(decoded.segments[np.newaxis])


def vectors(tracks: list[Tensor], chosen: NDArray[np.int64], embedder: Embedder) -> NDArray[np.float32]:
    """Embed each track by some of its segments."""
    return np.concatenate([embedder.encode(log_mel[:, chosen.tolist()]) for log_mel in tracks])


if __name__ == "__main__":
    main()
