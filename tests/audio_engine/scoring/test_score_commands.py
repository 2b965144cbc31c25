from pathlib import Path

import polars as pl
import pytest

from audio_engine.plays.formats import scan_plays
from audio_engine.plays.validation import usable_plays
from audio_engine.scoring.exploration import explore_tracks
from audio_engine.scoring.like_rates import count_likes, prior_by_likelihood
from audio_engine.scoring.rate_table import rate_tracks
from audio_engine.scoring.time_decay import decayed_plays
from audio_engine.scoring.trends import rising_tracks
from tests.command_line import Run
from tests.listening_world import write_rising_log


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    write_rising_log(folder := tmp_path_factory.mktemp("log"))
    return folder


def test_rates_come_as_lines_as_a_table_and_as_parquet(run: Run, log: Path, tmp_path: Path) -> None:
    lines = run("score", "rates", log / "plays.parquet", "--json").objects
    assert len(lines) == 12
    assert lines[0]["smoothed_rate"] == max(line["smoothed_rate"] for line in lines)
    people = run("score", "rates", log / "plays.parquet")
    assert people.status == 0
    assert people.out.split()[:2] == ["track", "likes"]
    written = run("score", "rates", log / "plays.parquet", "--out", tmp_path / "rates.parquet")
    assert (written.status, written.out) == (0, "")
    assert pl.read_parquet(tmp_path / "rates.parquet").to_dicts() == lines


def test_python_gives_what_the_commands_print(run: Run, log: Path, tmp_path: Path) -> None:
    rates = rate_tracks(log / "plays.parquet")
    rates.write_parquet(tmp_path / "rates.parquet")
    plays = scan_plays(log / "plays.parquet")
    for command, table in (
        (("rates", log / "plays.parquet"), rates),
        (("decay", log / "plays.parquet"), decayed_plays(plays)),
        (("trends", log / "plays.parquet"), rising_tracks(plays)),
        (("exploration", tmp_path / "rates.parquet"), explore_tracks(rates)),
    ):
        assert run("score", *command, "--json").objects == table.to_dicts()
    with pytest.raises(ValueError, match="tracks must be a table with genre, got none"):
        rate_tracks(log / "plays.parquet", group=["genre"])


def test_rates_take_a_prior_a_group(run: Run, log: Path) -> None:
    found = run(
        "score", "rates", log / "plays.parquet", "--tracks", log / "tracks.parquet", "--group", "genre",
        "--prior", "likelihood", "--json",
    ).objects  # fmt: skip
    assert len({line["alpha"] for line in found}) == len({line["genre"] for line in found}) == 2


def test_a_group_of_names_that_the_log_does_not_have_is_refused(log: Path, tmp_path: Path) -> None:
    tracks = pl.read_parquet(log / "tracks.parquet")
    pl.concat([tracks, tracks.with_columns(genre=pl.lit("again"))]).write_parquet(tmp_path / "twice.parquet")
    usual = {"group": ["genre"], "find_prior": prior_by_likelihood}
    rates = rate_tracks(log / "plays.parquet", tracks=log / "tracks.parquet", **usual)
    assert rate_tracks(log / "plays.parquet", tracks=tmp_path / "twice.parquet", **usual).equals(rates)
    tracks.with_columns(track=pl.lit("other ") + pl.col("track")).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(ValueError, match=r"tracks must name tracks as the log does, got none that plays\.parquet has"):
        rate_tracks(log / "plays.parquet", tracks=tmp_path / "other.parquet", **usual)


def test_a_group_needs_a_table_of_tracks(run: Run, log: Path) -> None:
    ran = run("score", "rates", log / "plays.parquet", "--group", "genre")
    assert ran.status == 2
    assert "--tracks" in ran.err
    ran = run("score", "rates", log / "plays.parquet", "--tracks", log / "tracks.parquet", "--group", "maker")
    assert ran.status == 2
    assert "tracks.parquet must have a column 'maker', got track, genre" in ran.err


def test_heat_counts_a_play_of_today_most(run: Run, log: Path) -> None:
    found = run("score", "decay", log / "plays.parquet", "--half-life", "2", "--json").objects
    assert found[0]["track"] == "t11"
    assert all(line["decayed_plays"] <= line["plays"] for line in found)


def test_trends_finds_the_track_that_rises(run: Run, log: Path) -> None:
    ran = run("score", "trends", log / "plays.parquet", "--at", "40", "--json")
    assert [line["track"] for line in ran.objects if line["rising"]] == ["t11"]
    assert "1 of 12 tracks are rising" in ran.err


def test_exploration_takes_what_rates_wrote(run: Run, log: Path, tmp_path: Path) -> None:
    run("score", "rates", log / "plays.parquet", "--out", tmp_path / "rates.parquet")
    found = run("score", "exploration", tmp_path / "rates.parquet", "--enough", "1000", "--json").objects
    assert len(found) == 12
    assert all(line["explored_value"] > line["smoothed_rate"] for line in found)
    ran = run("score", "exploration", tmp_path / "rates.parquet", "--value", "worth")
    assert ran.status == 2
    assert "must have a column 'worth'" in ran.err


def test_debias_by_propensity_writes_lists_and_takes_one_of_two_dials(run: Run, log: Path, tmp_path: Path) -> None:
    options = ("score", "debias", log / "plays.parquet", "--out", tmp_path / "lists.parquet", "-k", "3")
    assert run(*options, "--propensity", "0.5").status == 0
    assert pl.read_parquet(tmp_path / "lists.parquet").columns == ["user", "rank", "track", "score"]
    assert run(*options).status == run(*options, "--c", "1", "--propensity", "0.5").status == 2


def test_debias_writes_lists(run: Run, log: Path, tmp_path: Path) -> None:
    ran = run("score", "debias", log / "plays.parquet", "--c", "1", "-k", "3", "--out", tmp_path / "lists.parquet")
    assert ran.status == 0
    assert pl.read_parquet(tmp_path / "lists.parquet").columns == ["user", "rank", "track", "score"]


def test_a_log_that_tells_no_time_is_refused(run: Run, tmp_path: Path) -> None:
    pl.DataFrame({"user": ["a"], "track": ["b"]}).write_parquet(tmp_path / "plays.parquet")
    for command in ("decay", "trends"):
        ran = run("score", command, tmp_path / "plays.parquet")
        assert ran.status == 2
        assert "plays must tell the time" in ran.err


def test_rows_that_cannot_be_used_are_said_and_a_favourite_is_a_like(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "plays[1].csv"
    log.write_text("user,track,day,action\nu,a,1,like\nu,a,1,Favorite\nu,b,1,\nu,b,x,like\n,a,1,like\n")
    for command in ("decay", "trends"):
        shown = run("score", command, log, "--json")
        assert (shown.status, len(shown.objects)) == (0, 2)
    assert caplog.messages == ["5 plays, 2 left out (1 unknown user, 1 no time)"] * 2
    assert count_likes(usable_plays(log)).rows() == [("a", 2, 2), ("b", 0, 1)]


def test_a_log_that_is_damaged_within_is_refused_in_one_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "plays.parquet"
    table = pl.DataFrame({"user": [f"u{i}" for i in range(5_000)], "track": ["a", "b"] * 2_500, "day": [1.0] * 5_000})
    table.write_parquet(path)
    content = bytearray(path.read_bytes())
    content[200:400] = bytes(200)
    path.write_bytes(content)
    for command in (("rates",), ("decay",), ("debias", "--c", "0", "--out", tmp_path / "out.parquet")):
        refused = run("score", command[0], path, *command[1:])
        assert refused.status == 2
        assert "that can be read" in refused.err
        assert "fault" not in refused.err
