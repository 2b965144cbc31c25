"""Users for the tests: each loves a genre of `tests.genre_world` and dislikes another; their circle tells which."""

from pathlib import Path

import numpy as np
import polars as pl

from audio_engine import Engine

GENRES = ("Plucked", "Chiptune", "Drums")
N_USERS, N_PLAYS = 30, 60  # users; plays of each
SHORT = "short"  # a user of three plays


def write_plays(engine: Engine, folder: Path) -> None:
    """Write `plays.parquet` (the last column, `part`, cuts it in two) and `users.parquet`."""
    rng = np.random.default_rng(0)
    tracks = {genre: [each.track_id for each in engine.tracks() if each.tags.genre == genre] for genre in GENRES}
    rows = []
    for number in range(N_USERS):
        loved, disliked = GENRES[number % 3], GENRES[(number + 1) % 3]
        for day in np.sort(rng.uniform(0, 60, N_PLAYS)):
            genre = rng.choice([loved, loved, disliked, GENRES[(number + 2) % 3]])
            action = {loved: "like", disliked: "dislike"}.get(genre, "none")
            track = tracks[genre][rng.integers(len(tracks[genre]) if number % 2 else 2)]
            rows.append((f"u{number:02}", track, day, 0.5, action, int(rng.random() < 0.3)))
    rows += [(SHORT, tracks["Drums"][0], float(day), 1.0, "like", 0) for day in range(3)]
    names = ["user", "track", "day", "completion", "action", "part"]
    pl.DataFrame(rows, schema=names, orient="row").write_parquet(folder / "plays.parquet")
    users = {
        "user": [*(f"u{number:02}" for number in range(N_USERS)), SHORT, "never"],
        "circle": [*(f"lovers of {GENRES[number % 3]}" for number in range(N_USERS)), "others", "others"],
        "age_band": [number % 2 for number in range(N_USERS + 2)],
        "joined_day": list(range(N_USERS + 2)),
    }
    pl.DataFrame(users).write_parquet(folder / "users.parquet")
