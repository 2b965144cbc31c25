"""A world for tests: low and high tones; half of the users like the low ones, half the high ones."""

from pathlib import Path

import numpy as np
import polars as pl
import soundfile
import torch

from features.recipe import MelRecipe
from metric_learning.checkpoint import save_checkpoint
from metric_learning.encoder import AudioEncoder
from metric_learning.encoder_config import EncoderConfig

N_USERS, N_WARM, N_COLD = 30, 20, 8
CONFIG = EncoderConfig(
    n_mels=32, n_filters=4, n_whitened=8, n_modulation_bands=4, n_correlation_bands=4, teachers=(), n_reduced=16
)
RECIPE = MelRecipe(
    sample_rate=8_000, n_fft=512, win_length=512, hop_length=128, n_mels=32, f_max=4_000.0, segment_s=0.4, n_segments=2
)


def write_world(folder: Path) -> None:
    """Write tracks, users, plays and audio in the layout of ../shared/world."""
    rng, names = np.random.default_rng(0), [f"t{i}" for i in range(N_WARM + N_COLD)]
    time = np.arange(8_000) / 8_000
    for i, name in enumerate(names):
        pitch = (2_500 if i % 2 else 300) * rng.uniform(0.9, 1.1)
        sound = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.01 * rng.normal(size=8_000)
        soundfile.write(folder / f"{name}.wav", sound, 8_000)
    tracks = {
        "track": names,
        "file": [f"{name}.wav" for name in names],
        "artist_key": [f"a{i // 3}" if i < N_WARM else ("a0" if i == N_WARM else f"new{i}") for i in range(len(names))],
        "duration_s": [1.0] * len(names),
        "split": ["train"] * N_WARM + ["valid_cold"] * N_COLD,
    }
    pl.DataFrame(tracks).write_parquet(folder / "tracks.parquet")
    users = [f"u{i}" for i in range(N_USERS)]
    ages = ["old" if i % 3 else "young" for i in range(N_USERS)]
    pl.DataFrame({"user": users, "age": ages}).write_parquet(folder / "users.parquet")
    for file, chosen in (("plays_train", names[:N_WARM]), ("plays_valid_cold", names[N_WARM:])):
        rows = [(u, t) for u in users for t in chosen if rng.random() < 0.8]
        likes = [int(u[1:]) % 2 == int(t[1:]) % 2 for u, t in rows]
        table = {
            "user": [u for u, _ in rows],
            "track": [t for _, t in rows],
            "day": rng.random(len(rows)),
            "completion": [0.9 if like else 0.1 for like in likes],
            "action": ["like" if like else "dislike" for like in likes],
        }
        pl.DataFrame(table).write_parquet(folder / f"{file}.parquet")


def write_model(folder: Path) -> None:
    """Save a small model that has learned nothing, for training to start from."""
    torch.manual_seed(0)
    save_checkpoint(folder, AudioEncoder(CONFIG), RECIPE)


def write_rising_log(folder: Path) -> None:
    """Write plays and tracks: twelve tracks of two genres, played for 40 days; t11 rises in the last two."""
    rng = np.random.default_rng(0)
    track = rng.integers(12, size=3_000)
    day = np.where(rng.random(3_000) < 0.1 * (track == 11), 39.5, 40 * rng.random(3_000))
    more = np.full(120, 11)
    rows = np.append(track, more), np.append(day, rng.uniform(38, 40, 120))
    action = np.where(rng.random(3_120) < np.linspace(0.1, 0.5, 12)[rows[0]], "like", "none")
    pl.DataFrame(
        {
            "user": [f"u{i}" for i in rng.integers(50, size=3_120)],
            "track": [f"t{i:02}" for i in rows[0]],
            "day": rows[1],
            "action": action,
        }
    ).write_parquet(folder / "plays.parquet")
    pl.DataFrame({"track": [f"t{i:02}" for i in range(12)], "genre": ["folk", "pop"] * 6}).write_parquet(
        folder / "tracks.parquet"
    )
