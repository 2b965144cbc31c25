"""Logs with nothing to learn from: each command says so in a line that names the file."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.command_line import Run

LOGS = ("empty.parquet", "empty.csv", "unknown.parquet", "one.parquet")
PLAY = {"user": "u0", "track": "t0", "day": 0.5, "completion": 1.0, "action": "like"}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Logs without a play, of tracks that nobody knows, and of one play; and what else the commands read."""
    one = pl.DataFrame([PLAY])
    one.write_parquet(tmp_path / "one.parquet")
    one.clear().write_parquet(tmp_path / "empty.parquet")
    one.clear().write_csv(tmp_path / "empty.csv")
    pl.concat([one.with_columns(track=pl.lit("nobody knows"))] * 5).write_parquet(tmp_path / "unknown.parquet")
    for name in ("vectors", "others"):
        pl.DataFrame({"track": ["t0", "t1"], "vector": np.eye(2, 40)}).write_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "secret").write_text("a secret that both parties know\n")
    return tmp_path


@pytest.mark.parametrize("log", LOGS)
@pytest.mark.parametrize(
    "command",
    [
        "federated train LOG --vectors VECTORS --out OUT --alignment hashed --secret SECRET --listen 127.0.0.1:0",
        "represent item2vec --plays LOG --vectors VECTORS --out TABLE",
        "represent eges --plays LOG --vectors VECTORS --out TABLE",
        "represent graphsage --plays LOG --vectors VECTORS --out TABLE",
        "represent fusion VECTORS OTHERS --plays LOG --out TABLE",
    ],
)
def test_a_log_without_two_plays_that_can_be_used_is_refused_by_name(
    command: str, log: str, files: Path, run: Run
) -> None:
    if command.startswith("federated"):
        pytest.importorskip("grpc")
    places = {name.upper(): files / f"{name}.parquet" for name in ("vectors", "others")}
    places |= {"LOG": files / log, "OUT": files / "out", "TABLE": files / "out.parquet", "SECRET": files / "secret"}
    ran = run(*(places.get(word, word) for word in command.split()))
    assert ran.status == 2
    assert ran.err.splitlines()[-1].startswith(f"error: {log} must hold ")
    assert not (files / "out").exists()


@pytest.mark.parametrize("command", [("users", "update"), ("learn-users",)])
def test_users_are_learned_from_one_play_and_not_from_none(
    command: tuple[str, ...], files: Path, genre_world: Path, run: Run
) -> None:
    catalogue = shutil.copytree(genre_world / "catalogue", files / "catalogue")
    for log in LOGS[:3]:
        ran = run(*command, files / log, "-c", catalogue)
        assert ran.status == 2
        assert ran.err.splitlines()[-1].startswith(f"error: {log} must hold plays of tracks of the catalogue, got none")
    track_id = run("tracks", "-c", catalogue, "--json").objects[0]["track_id"]
    pl.DataFrame([PLAY | {"track": track_id}]).write_parquet(files / "one.parquet")
    assert run(*command, files / "one.parquet", "-c", catalogue).status == 0


@pytest.mark.parametrize("log", LOGS[:3])
@pytest.mark.parametrize("option", ["--plays", "--cold-plays"])
def test_a_training_without_plays_is_refused_by_name(option: str, log: str, files: Path, world: Path, run: Run) -> None:
    pytest.importorskip("pytorch_lightning")
    logs = {"--plays": world / "plays_train.parquet", "--cold-plays": world / "plays_valid_cold.parquet"}
    typed = [word for pair in (logs | {option: files / log}).items() for word in pair]
    sounds = ["--tracks", world / "tracks.parquet", "--audio", world, "--start-from", world / "start"]
    ran = run("train", *typed, *sounds, "--store", files / "mels", "--out", files / "model", "--logger", "none")
    assert ran.status == 2
    assert ran.err.splitlines()[-1].startswith(f"error: {log} must hold plays of tracks ")
    forecast = run("train", *typed, *sounds, "--store", files / "mels", "--out", files / "model", "--dry-run")
    assert (forecast.status, forecast.out, forecast.err) == (2, "", ran.err.splitlines()[-1] + "\n")
