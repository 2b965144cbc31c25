import logging
from pathlib import Path

import polars as pl
import polars.selectors as cs
import pytest

from audio_engine.scoring.value.policy import DIMENSIONS, Policy, Rule
from audio_engine.scoring.value.value_table import ValueInputs, value_tracks
from tests.audio_engine.scoring.value.logs import N_TRACKS, write_random_world

pytest.importorskip("duckdb", reason="duckdb is not installed: pip install '.[metrics]'")

POLICY = Policy(
    weights=dict.fromkeys(DIMENSIONS, 0.3),
    places=20,
    rules=(
        Rule(name="small label", column="label", values=("small",), floor=0.4),
        Rule(name="paid", column="is_paid", values=("true",), weight=0.5, quota=0.2),
    ),
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ValueInputs:
    write_random_world(folder := tmp_path_factory.mktemp("world"))
    return ValueInputs(
        plays=folder / "plays.parquet",
        tracks=folder / "tracks.parquet",
        events=folder / "events.parquet",
        circles=folder / "users.parquet",
        vectors=folder / "vectors.parquet",
    )


@pytest.fixture(scope="module")
def table(inputs: ValueInputs) -> pl.DataFrame:
    return value_tracks(inputs, policy=POLICY)


def test_every_track_has_every_number_with_or_without_plays(table: pl.DataFrame) -> None:
    assert sorted(table["track"]) == [f"t{i:02}" for i in range(N_TRACKS)]
    assert table["rank"].to_list() == list(range(1, N_TRACKS + 1))
    numbers = table.select(cs.float())
    assert numbers.select(pl.all().is_finite().all()).row(0) == (True,) * numbers.width
    for name in DIMENSIONS:
        assert (table[f"{name}_low"] <= table[name]).all()
        assert (table[name] <= table[f"{name}_high"]).all()
    never = table.row(by_predicate=pl.col("track") == "t00", named=True)
    assert [never[name] for name in ("heat", "quality", "pay", "circle", "pull_new", "pull_returning")] == [
        0,
        1,
        1,
        1,
        1,
        1,
    ]


def test_what_was_planted_is_found(table: pl.DataFrame) -> None:
    assert table.sort("pay", descending=True)["track"][0] == "t12"
    assert table.sort("circle", descending=True).select("track", "circle_name").row(0) == ("t10", "b")
    assert table.sort("quality", descending=True)["track"][0] > "t25"


def test_the_parts_sum_to_the_score_and_the_rules_hold(table: pl.DataFrame) -> None:
    parts = table.select(cs.starts_with("part_", "rule_")).sum_horizontal()
    assert parts.to_list() == pytest.approx(table["score"].to_list())
    labels = pl.DataFrame({"track": [f"t{i:02}" for i in range(N_TRACKS)]}).with_row_index("i")
    first = table.head(20).join(labels, on="track")
    assert (first["i"] % 4 == 0).sum() >= 8
    assert (first["i"] % 5 == 0).sum() <= 4
    assert "floor of small label" in set(first["given_by"])


def test_nothing_after_the_day_is_looked_at(inputs: ValueInputs, tmp_path: Path) -> None:
    for name in ("plays", "events"):
        source = pl.read_parquet(inputs.plays.parent / f"{name}.parquet")
        source.filter(pl.col("day") <= 45).write_parquet(tmp_path / f"{name}.parquet")
    cut = ValueInputs(
        plays=tmp_path / "plays.parquet",
        tracks=inputs.tracks,
        events=tmp_path / "events.parquet",
        circles=inputs.circles,
    )
    whole = ValueInputs(plays=inputs.plays, tracks=inputs.tracks, events=inputs.events, circles=inputs.circles)
    early, late = (value_tracks(files, policy=POLICY, at_day=45.0) for files in (cut, whole))
    assert early["track"].to_list() == late["track"].to_list()
    for name in early.select(cs.float()).columns:
        assert early[name].to_list() == pytest.approx(late[name].to_list(), rel=1e-9, abs=1e-12)


def test_plays_alone_are_enough_and_strangers_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pl.DataFrame({"user": ["u", "v", "v"], "track": ["a", "a", "b"], "day": [1.0, 2.0, 3.0]}).write_parquet(
        tmp_path / "plays.parquet"
    )
    pl.DataFrame({"track": ["a", "c", "a", None]}).write_parquet(tmp_path / "tracks.parquet")
    with caplog.at_level(logging.WARNING):
        found = value_tracks(ValueInputs(plays=tmp_path / "plays.parquet", tracks=tmp_path / "tracks.parquet"))
    assert found["track"].to_list() == ["a", "c"]
    assert found.select(cs.float().is_finite().all()).row(0) == (True,) * found.select(cs.float()).width
    assert "1 plays are of tracks that are not in the catalogue" in caplog.text


def test_a_rule_about_a_column_that_is_not_there_is_refused(inputs: ValueInputs) -> None:
    policy = Policy(rules=(Rule(name="x", column="mood", values=("sad",)),))
    with pytest.raises(
        ValueError, match=r"tracks\.parquet must have a column 'mood' for the rule 'x', got track, title"
    ):
        value_tracks(inputs, policy=policy)


def test_no_play_before_the_day_is_refused(inputs: ValueInputs) -> None:
    with pytest.raises(ValueError, match="plays must hold some up to day -1, got none"):
        value_tracks(inputs, at_day=-1.0)
