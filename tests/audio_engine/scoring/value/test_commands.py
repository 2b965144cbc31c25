from pathlib import Path

import polars as pl
import polars.testing
import pytest

from audio_engine.scoring.value.policy import EXAMPLE
from tests.audio_engine.scoring.value.logs import write_random_world
from tests.command_line import Run

pytest.importorskip("duckdb", reason="duckdb is not installed: pip install '.[metrics]'")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    write_random_world(folder := tmp_path_factory.mktemp("world"))
    return folder


def test_the_policy_that_is_printed_is_one_that_is_read(run: Run, world: Path, tmp_path: Path) -> None:
    printed = run("score", "policy")
    assert printed.out.strip() == EXAMPLE.read_text("utf-8").strip()
    (tmp_path / "policy.toml").write_text(printed.out, "utf-8")
    files = ("--tracks", world / "tracks.parquet", "--events", world / "events.parquet")
    given = run(
        "score",
        "value",
        world / "plays.parquet",
        *files,
        "--policy",
        tmp_path / "policy.toml",
        "--out",
        tmp_path / "a.parquet",
    )
    plain = run("score", "value", world / "plays.parquet", *files, "--out", tmp_path / "b.parquet", "--json")
    assert (given.status, plain.status) == (0, 0)
    assert given.out.split()[:5] == ["rank", "track", "score", "given_by", "heat"]
    written = [pl.read_parquet(tmp_path / name) for name in ("a.parquet", "b.parquet")]
    polars.testing.assert_frame_equal(*written)  # up to the order in which DuckDB adds numbers up
    assert plain.objects == written[1].to_dicts()
    page = run("score", "value-page", tmp_path / "a.parquet", world / "plays.parquet", "--out", tmp_path / "p.html")
    assert page.status == 0
    assert (tmp_path / "p.html").read_text("utf-8").count("<section>") == 10


def test_a_policy_that_is_wrong_is_named_and_nothing_is_written(run: Run, world: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("[weights]\nqality = 1\n")
    ran = run(
        "score", "value", world / "plays.parquet", "--tracks", world / "tracks.parquet", "--policy",
        tmp_path / "policy.toml", "--out", tmp_path / "v.parquet",
    )  # fmt: skip
    assert ran.status == 2
    assert ran.err.startswith("error: policy.toml: weights must be of heat, quality")
    assert not (tmp_path / "v.parquet").exists()


def test_events_without_a_kind_are_refused(run: Run, world: Path, tmp_path: Path) -> None:
    ran = run(
        "score", "value", world / "plays.parquet", "--tracks", world / "tracks.parquet", "--events",
        world / "plays.parquet", "--out", tmp_path / "v.parquet",
    )  # fmt: skip
    assert ran.status == 2
    assert "error: plays.parquet must have columns 'kind' and 'day' or 'timestamp', got user, track, day" in ran.err
