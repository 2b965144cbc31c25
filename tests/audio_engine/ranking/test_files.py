from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from audio_engine.ranking.user_vectors import mean_user_vectors, tower_user_vectors
from metric_learning.play_log import LIKE, PlayLog
from metric_learning.user import UserTower
from metric_learning.user_recipe import UserRecipe
from tests.audio_engine.ranking.planted import planted_log
from tests.command_line import Run


@pytest.fixture
def files(tmp_path: Path) -> Path:
    world = planted_log(n_plays=2_000)
    tracks = world["tracks"].with_columns(file=pl.concat_str("track", pl.lit(".ogg"))).rename({"artist": "artist_key"})
    tracks.drop("vector").write_parquet(tmp_path / "tracks.parquet")
    exported = {"track_id": [f"id {i}" for i in range(len(tracks))], "path": "/music/" + tracks["file"]}
    pl.DataFrame(exported).with_columns(tracks["vector"]).write_parquet(tmp_path / "vectors.parquet")
    world["plays"].write_parquet(tmp_path / "plays.parquet")
    world["users"].write_parquet(tmp_path / "users.parquet")
    pairs = world["plays"].filter(pl.col("action") != "none").with_columns(note=pl.lit("kept"))
    pairs.write_parquet(tmp_path / "pairs.parquet")
    return tmp_path


def test_a_ranker_goes_from_files_to_probabilities_by_two_commands(files: Path, run: Run) -> None:
    tables = [f"--{name}={files / name}.parquet" for name in ("plays", "tracks", "vectors", "users")]
    trained = run("rank", "train", *tables, "--out", files / "ranker", "--json")
    assert trained.status == 0, trained.err
    assert trained.objects[0]["n_tracks_with_vector"] == 80
    scored = run("rank", "score", files / "ranker", files / "pairs.parquet", "--out", files / "scored.parquet")
    assert scored.status == 0, scored.err
    table = pl.read_parquet(files / "scored.parquet")
    assert table.drop("probability").equals(pl.read_parquet(files / "pairs.parquet"))
    predicted = (
        table.group_by(liked=pl.col("action") == "like").agg(pl.col("probability").mean()).sort("liked")["probability"]
    )
    assert predicted[1] > predicted[0] + 0.05
    assert not list(files.glob(".*.part"))


def test_tables_that_do_not_fit_are_refused_in_one_line(files: Path, run: Run) -> None:
    other = pl.read_parquet(files / "vectors.parquet").drop("path")
    other.write_parquet(files / "other.parquet")
    plays = ["--plays", files / "plays.parquet", "--out", files / "ranker"]
    refused = run("rank", "train", *plays, "--vectors", files / "other.parquet")
    assert (refused.status, "do both use the same ids?" in refused.err) == (2, True)
    assert run("rank", "score", files / "none", files / "pairs.parquet", "--out", files / "s.parquet").status == 2
    pl.read_parquet(files / "plays.parquet").with_columns(day=3.0).write_parquet(files / "timeless.parquet")
    timeless = ["--plays", files / "timeless.parquet", "--out", files / "ranker"]
    tables = ["--tracks", files / "tracks.parquet", "--vectors", files / "vectors.parquet"]
    refused = run("rank", "train", *timeless, *tables)
    assert (refused.status, "timeless.parquet must hold plays of more than one day" in refused.err) == (2, True)
    assert run("rank", "train", *plays).status == 0
    lone = pl.DataFrame({"user": ["u0"]})
    lone.write_parquet(files / "lone.parquet")
    refused = run("rank", "score", files / "ranker", files / "lone.parquet", "--out", files / "s.parquet")
    assert (refused.status, "lone.parquet must have a column 'track'" in refused.err) == (2, True)
    assert not (files / "s.parquet").exists()


@pytest.mark.parametrize(
    ("table", "changed", "words"),
    [
        ("plays", {"action": "like"}, "bad.parquet must hold likes and rejections, got 2000 likes of 2000 opinions"),
        ("plays", {"track": None}, "got 0 likes of 0 opinions (2000 plays, 2000 left out (2000 unknown track))"),
        ("users", {"user": "u0"}, "user of bad.parquet must come once, got some twice"),
        ("tracks", {"track": "t0"}, "track of bad.parquet must come once, got some twice"),
    ],
)
def test_a_table_that_a_ranker_cannot_be_trained_on_is_named(
    table: str, changed: dict[str, str | None], words: str, files: Path, run: Run
) -> None:
    bad = pl.read_parquet(files / f"{table}.parquet").with_columns(**{k: pl.lit(v) for k, v in changed.items()})
    bad.write_parquet(files / "bad.parquet")
    paths = {name: files / f"{name}.parquet" for name in ("plays", "tracks", "users")} | {table: files / "bad.parquet"}
    refused = run("rank", "train", *(f"--{name}={path}" for name, path in paths.items()), "--out", files / "ranker")
    assert refused.status == 2
    assert words in refused.err


def test_a_user_is_the_mean_of_what_they_liked_before_a_day_and_of_nothing_later() -> None:
    plays = pl.DataFrame(
        {
            "user": ["u", "u", "v", "u"],
            "track": ["a", "b", "a", "b"],
            "day": [1.0, 2.0, 5.0, 8.0],
            "action": ["like", "skip", "none", "like"],
        }
    )
    vectors = {"a": np.array([1.0, 0.0], np.float32), "b": np.array([0.0, 1.0], np.float32)}
    found = mean_user_vectors(plays, vectors, [2.0, 6.0, 9.0])
    assert found["user"].to_list() == ["u", "u", "u"]  # v said nothing
    expected = [[1.0, 0.0], [0.5**0.5, -(0.5**0.5)], [1.0, 0.0]]
    assert np.allclose(found["vector"].to_list(), expected)


def test_a_tower_reads_the_plays_before_a_day_and_no_later_one() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    tower = UserTower(UserRecipe(n_tracks=12, dim=6))
    plays = PlayLog(
        user=rng.integers(5, size=60),
        track=rng.integers(12, size=60),
        day=np.sort(rng.uniform(0, 30, 60)).astype(np.float32),
        completion=np.full(60, 0.9, np.float32),
        action=np.full(60, LIKE, np.int8),
    )
    users = [f"u{i}" for i in range(5)]
    whole = tower_user_vectors(tower, plays, users=users, days=[10.0, 20.0])
    early = tower_user_vectors(tower, plays.where(plays.day < 10), users=users, days=[10.0])
    assert whole.columns == ["user", "day", "vector"]
    assert whole.filter(pl.col("day") == 10.0).equals(early)
    assert not whole.filter(pl.col("day") == 20.0)["vector"].equals(early["vector"])
