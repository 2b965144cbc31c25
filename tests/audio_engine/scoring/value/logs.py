"""Logs for the tests of value."""

from pathlib import Path

import numpy as np
import polars as pl

N_TRACKS, N_USERS, N_DAYS = 40, 150, 63


def write_log(
    folder: Path, plays: list[tuple[str, str, float, str]], events: list[tuple[str, str | None, float, str]]
) -> None:
    """Write plays (user, track, day, action) and events (user, track, day, kind)."""
    pl.DataFrame(plays, schema=["user", "track", "day", "action"], orient="row").write_parquet(folder / "plays.parquet")
    schema = {"user": pl.String, "track": pl.String, "day": pl.Float64, "kind": pl.String}
    pl.DataFrame(events, schema=schema, orient="row").write_parquet(folder / "events.parquet")


def write_random_world(folder: Path, *, seed: int = 0) -> None:
    """Write plays, events, tracks and users; the later a track's number, the more it is played and liked.

    Track t00 is never played, t01 has no artist. Users of circle `b` want t10 in particular; t12 makes people pay.
    """
    rng, n = np.random.default_rng(seed), 9_000
    share = np.linspace(0.2, 3, N_TRACKS - 1)
    track = rng.choice(np.arange(1, N_TRACKS), size=n, p=share / share.sum())
    user = rng.integers(N_USERS, size=n)
    track = np.where((user % 2 == 1) & (rng.random(n) < 0.1), 10, track)
    day = N_DAYS * rng.random(n)
    chance = rng.random(n)
    action = np.where(chance < 0.1 + 0.01 * track, "like", np.where(chance > 0.9, "skip", "none"))
    ids = [f"t{i:02}" for i in track]
    users = [f"u{i}" for i in user]
    pl.DataFrame(
        {"user": users, "track": ids, "day": day, "completion": rng.random(n), "action": action}
    ).write_parquet(folder / "plays.parquet")
    pays = rng.random(n) < np.where(track == 12, 0.3, 0.02)
    kinds = np.where(pays, "purchase", np.where(action == "like", "favourite", ""))
    rows = [(u, t, d, k) for u, t, d, k in zip(users, ids, day, kinds, strict=True) if k]
    schema = {"user": pl.String, "track": pl.String, "day": pl.Float64, "kind": pl.String}
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(folder / "events.parquet")
    pl.DataFrame(
        {
            "track": [f"t{i:02}" for i in range(N_TRACKS)],
            "title": ["<img src=x onerror=alert(1)>", *(f"Title {i}" for i in range(1, N_TRACKS))],
            "artist_key": [None if i == 1 else f"a{i // 3}" for i in range(N_TRACKS)],
            "release_day": [None if i == 2 else -30 + i for i in range(N_TRACKS)],
            "label": ["big" if i % 4 else "small" for i in range(N_TRACKS)],
            "is_paid": [i % 5 == 0 for i in range(N_TRACKS)],
        }
    ).write_parquet(folder / "tracks.parquet")
    pl.DataFrame(
        {"user": [f"u{i}" for i in range(N_USERS)], "circle": ["b" if i % 2 else "a" for i in range(N_USERS)]}
    ).write_parquet(folder / "users.parquet")
    pl.DataFrame(
        {"track": [f"t{i:02}" for i in range(N_TRACKS)], "vector": rng.normal(size=(N_TRACKS, 12)).tolist()}
    ).write_parquet(folder / "vectors.parquet")
