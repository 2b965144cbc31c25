"""``audio-engine transfer``, on files."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from audio_engine.cli.commands import app
from audio_engine.recall import unplayed
from audio_engine.transfer.recommendations import recall_across

N_USERS = 60


@pytest.fixture
def logs(tmp_path: Path) -> tuple[Path, Path]:
    """Users like one half of the songs and the like half of the films; u000 and u001 have not seen a film."""
    rng = np.random.default_rng(0)
    songs, films = [], []
    for user in range(N_USERS):
        half = user % 2
        songs += [(f"u{user:03}", f"s{half}{song}", "like") for song in rng.permutation(10)[:6]]
        films += [(f"u{user:03}", f"Film {half}{film}", "like") for film in rng.permutation(8)[:3] if user > 1]
    paths = tmp_path / "songs.parquet", tmp_path / "films.parquet"
    for path, rows, item in zip(paths, (songs, films), ("track", "film"), strict=True):
        pl.DataFrame(rows, schema=["user", item, "action"], orient="row").write_parquet(path)
    return paths


def test_films_are_recommended_to_those_who_only_heard_songs(logs: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "answer.parquet"
    songs, films = map(str, logs)
    arguments = ["transfer", films, "--from", songs, "--item", "film", "-k", "4", "--dim", "4", "--out", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    table = pl.read_parquet(out)
    assert table.columns == ["user", "rank", "film", "score", "plays"]
    assert table["user"].n_unique() == N_USERS
    for user, half in (("u000", 0), ("u001", 1)):
        found = table.filter(pl.col("user") == user)
        assert found["rank"].to_list() == [1, 2, 3, 4]
        assert found["plays"].to_list() == [0] * 4
        assert found["film"].str.starts_with(f"Film {half}").all()
    seen = pl.read_parquet(films).select("user", "film")
    assert not table.join(seen, on=["user", "film"], how="semi").height


def test_json_has_a_line_for_each_answer(logs: tuple[Path, Path]) -> None:
    songs, films = map(str, logs)
    result = CliRunner().invoke(app, ["transfer", films, "--from", songs, "--item", "film", "-k", "2", "--json"])
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(rows) == 2 * N_USERS
    assert set(rows[0]) == {"user", "rank", "film", "score", "plays"}


def test_a_film_that_nobody_saw_comes_by_its_vector(logs: tuple[Path, Path], tmp_path: Path) -> None:
    names = [f"Film {half}{film}" for half in (0, 1) for film in range(8)] + ["new0", "new1"]
    sound = [[1.0, 0.0]] * 8 + [[0.0, 1.0]] * 8 + [[1.0, 0.0], [0.0, 1.0]]
    vectors = tmp_path / "vectors.parquet"
    pl.DataFrame({"track": names, "vector": sound}).write_parquet(vectors)
    table = pl.concat(recall_across(logs[:1], logs[1], item="film", vectors=vectors, k=100))
    new = table.filter(pl.col("film").str.starts_with("new")).pivot("film", index="user", values="score")
    likes_first = new["user"].str.slice(1).cast(pl.Int64) % 2 == 0
    assert ((new["new0"] > new["new1"]) == likes_first).mean() > 0.95


def test_the_answers_of_few_users_are_in_memory_at_a_time(
    logs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (whole,) = recall_across(logs[:1], logs[1], item="film", k=5)
    monkeypatch.setattr(unplayed, "BLOCK_CELLS", 16 * 7)  # seven users' scores of sixteen films
    frames = recall_across(logs[:1], logs[1], item="film", k=5)
    first = next(frames)
    assert first["user"].unique(maintain_order=True).to_list() == [f"u{user:03}" for user in range(7)]
    blocks = [first, *frames]
    assert [block["user"].n_unique() for block in blocks] == [7] * 8 + [4]
    assert pl.concat(blocks).drop("score").equals(whole.drop("score"))
    songs, films = map(str, logs)
    out = tmp_path / "answer.csv"
    arguments = ["transfer", films, "--from", songs, "--item", "film", "-k", "5", "--out", str(out)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert pl.read_csv(out).drop("score").equals(whole.drop("score"))


def test_people_see_the_first_rows_and_how_many_there_are(logs: tuple[Path, Path]) -> None:
    songs, films = map(str, logs)
    result = CliRunner().invoke(app, ["transfer", films, "--from", songs, "--item", "film", "-k", "2"])
    assert len(result.stdout.splitlines()) == 2 + 20
    assert f"the first 20 of {2 * N_USERS}" in result.stderr


def test_misuse_is_named(logs: tuple[Path, Path]) -> None:
    with pytest.raises(ValueError, match="track"):
        recall_across(logs[:1], logs[1], item="track")
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        recall_across(logs[:1], logs[1], item="film", k=0)
    with pytest.raises(ValueError, match="item must be the column of the items, got 'user'"):
        recall_across(logs[:1], logs[1], item="user")
