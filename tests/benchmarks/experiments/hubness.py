"""Evaluate hubness corrections on artists unseen by the encoder, in folds of the training split, as Markdown.

    python -m tests.benchmarks.experiments.hubness --tracks ../shared/world/tracks.parquet --audio ../shared/audio
    --store DIR

Only tracks of `--split` (train) are read. Their artists are assigned to folds. For each fold an encoder is trained on
the artists of the others, as `audio-engine pretrain` does, and searched on the fold's own tracks: each track is a query
for those of its artist. `--heard` uses the shipped model instead, on all tracks of the split, which it was trained on.
No parameter of the corrections was tuned on these figures.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audio_engine.evaluation.cold_start.benchmark import embed_mels
from audio_engine.genre.folds import folds_of
from audio_engine.metrics.bootstrap import bootstrap_mean, bootstrap_ratio
from audio_engine.metrics.retrieval import (
    Bools,
    Floats,
    average_precision,
    cosine,
    k_occurrence,
    precision_at_k,
    skewness,
)
from audio_engine.plays.tables import audio_files, read_tracks
from features.decode import decode_segments
from features.mel import LogMel
from features.recipe import MelRecipe
from metric_learning.checkpoint import load_checkpoint
from metric_learning.encoder_config import EncoderConfig
from metric_learning.model_files import DEFAULT_MODEL_DIR
from metric_learning.pretrain import pretrain
from tests.benchmarks.experiments.hubness_reduction import REDUCTIONS, rank_by

N_FOLDS = 3  # few, so that each has enough tracks for hubs
K, K_OCCURRENCE = 5, 10
PLAIN = "cosine"

Fold = tuple[NDArray[np.float32], NDArray[np.int64]]  # vectors (n_tracks, dim), numbers of the artists (n_tracks,)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=Path, required=True)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True, help="a folder for log-mels, kept for the next time")
    parser.add_argument("--split", default="train")
    parser.add_argument("--heard", action="store_true", help="the shipped model, on what it learned from; in seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    tracks = read_tracks(options.tracks, options.audio, columns=["artist_key"], split=options.split)
    recipe = MelRecipe()
    file = options.store / f"log_mels_{options.split}.npy"
    if not file.exists():
        options.store.mkdir(parents=True, exist_ok=True)
        np.save(file, np.stack([log_mel_of(each, recipe) for each in audio_files(tracks)]))
    log_mel = np.load(file)
    artists = list(tracks.artist_keys)
    folds = heard(log_mel, artists) if options.heard else unheard(log_mel, artists, recipe, seed=options.seed)
    rows = evaluate(folds, seed=options.seed)
    print("\n".join(json.dumps(row) for row in rows) if options.json else to_markdown(rows))


def log_mel_of(file: Path, recipe: MelRecipe) -> NDArray[np.float16]:
    """Decode a track and take its log-mel segments: (n_segments, n_mels, n_frames)."""
    segments = torch.from_numpy(decode_segments(file, recipe).segments)
    return LogMel(recipe).of_segments(segments[None])[0].numpy().astype(np.float16)


def evaluate(folds: Iterable[Fold], *, seed: int) -> list[dict]:
    """Rank fold by fold; one row per method, over the queries of all folds."""
    found: dict[str, list[tuple[Floats, Floats, NDArray[np.int64]]]] = {}
    for vectors, makers in folds:
        is_relevant = makers[:, np.newaxis] == makers
        np.fill_diagonal(is_relevant, False)
        similarities = cosine(vectors, vectors)
        found.setdefault(PLAIN, []).append(measured(similarities, is_relevant))
        for name, reduce in REDUCTIONS.items():
            found.setdefault(name, []).append(measured(reduce(similarities), is_relevant))
    return [row_of(name, found[name], found[PLAIN], seed=seed) for name in found]


def unheard(log_mel: NDArray[np.float16], artists: list[str], recipe: MelRecipe, *, seed: int) -> Iterator[Fold]:
    """Train an encoder for each fold, on the artists of the others."""
    makers = np.unique(artists, return_inverse=True)[1]
    folds = folds_of(np.zeros_like(makers), makers, n_folds=N_FOLDS, seed=seed)
    config = EncoderConfig(n_mels=recipe.n_mels, frame_rate=recipe.sample_rate / recipe.hop_length)
    for fold in range(N_FOLDS):
        test, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        encoder = pretrain(torch.from_numpy(log_mel[rest]), [artists[row] for row in rest], encoder_config=config)
        yield embed_mels(encoder, log_mel[test]), makers[test]


def heard(log_mel: NDArray[np.float16], artists: list[str]) -> Iterator[Fold]:
    """Yield all tracks with the vectors of the shipped model."""
    encoder, _ = load_checkpoint(DEFAULT_MODEL_DIR)
    yield embed_mels(encoder, log_mel), np.unique(artists, return_inverse=True)[1]


def measured(similarities: Floats, is_relevant: Bools) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return precision and average precision of each query, and in how many results each track occurs."""
    ranking = rank_by(similarities)
    hits = np.take_along_axis(is_relevant, ranking, axis=1)
    return precision_at_k(hits, K), average_precision(hits), k_occurrence(ranking, K_OCCURRENCE)


def row_of(name: str, folds: list, plain: list, *, seed: int) -> dict:
    """Summarise a method: means over all queries with intervals, hubness as the mean over folds."""
    row: dict = {"method": name, "n": sum(len(fold[0]) for fold in folds)}
    for place, metric in ((0, f"precision@{K}"), (1, "mAP")):
        values, base = (np.concatenate([fold[place] for fold in each]) for each in (folds, plain))
        mean, ratio = bootstrap_mean(values, seed=seed), bootstrap_ratio(values, base, seed=seed)
        row |= {metric: [mean.value, mean.low, mean.high]}
        row |= {f"{metric} / {PLAIN}": [ratio.value, ratio.low, ratio.high]}
    row["skewness of N_10"] = float(np.mean([skewness(fold[2]) for fold in folds]))
    row["share of anti-hubs"] = float(np.mean([np.mean(fold[2] == 0) for fold in folds]))
    row["largest N_10"] = float(np.mean([fold[2].max() for fold in folds]))
    return row


def to_markdown(rows: list[dict]) -> str:
    """Format a line per method; brackets are 95 % bootstrap intervals over queries."""
    names = [name for name in rows[0] if name != "n"]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for row in rows:
        cells = [
            each
            if isinstance(each, str)
            else f"{each:.2f}"
            if isinstance(each, float)
            else "{:.3f} [{:.3f}, {:.3f}]".format(*each)
            for each in (row[name] for name in names)
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", f"{rows[0]['n']} tracks"])


if __name__ == "__main__":
    main()
