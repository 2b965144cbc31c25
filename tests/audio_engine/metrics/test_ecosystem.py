from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from audio_engine.metrics.ecosystem import measure_days, measure_ecosystem
from audio_engine.metrics.lists import gini
from tests.audio_engine.plays.test_table_files import ENDINGS, write
from tests.command_line import Run

# ann plays on days 0, 1 and 7, bob on day 0 only; two of the four tracks are never played
LOG = {
    "user": ["ann", "ann", "bob", "ann", "ann"],
    "track": ["x", "y", "x", "x", "y"],
    "day": [0.1, 0.2, 0.9, 1.5, 7.5],
    "completion": [1.0, 0.5, 0.0, 1.0, None],
    "action": ["like", None, "skip", "favourite", "dislike"],
}
TRACKS = {"track": ["x", "y", "z", "w"], "artist_key": ["A", "B", "A", "B"], "release_day": [-100, 0, 0, 5]}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    pl.DataFrame(LOG).write_parquet(tmp_path / "plays.parquet")
    pl.DataFrame(TRACKS).write_parquet(tmp_path / "tracks.parquet")
    pl.DataFrame({"user": ["ann", "bob", "eve", "dan"]}).write_parquet(tmp_path / "users.parquet")
    return tmp_path


def random_log(folder: Path, n: int = 4_000) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    table = pl.DataFrame(
        {
            "user": [f"u{i}" for i in rng.integers(60, size=n)],
            "track": [f"t{i}" for i in (40 * rng.random(n) ** 3).astype(int)],
            "day": 20 * rng.random(n),
            "completion": rng.random(n),
            "action": rng.choice(["none", "like", "dislike", "skip"], n),
        }
    )
    table.write_parquet(folder / "plays.parquet")
    catalogue = pl.DataFrame({"track": [f"t{i}" for i in range(50)], "artist_key": [f"a{i // 3}" for i in range(50)]})
    catalogue.write_parquet(folder / "tracks.parquet")
    return table


def test_every_measure_is_what_one_works_out_by_hand(log: Path) -> None:
    found = measure_ecosystem(
        log / "plays.parquet", tracks=log / "tracks.parquet", users=log / "users.parquet", new_days=7
    )
    assert (found.n_plays, found.n_active, found.n_tracks_played, found.days) == (5, 2, 2, 8)
    assert found.penetration == 0.5
    assert (found.like_rate, found.favourite_rate, found.dislike_rate, found.skip_rate) == (0.4, 0.2, 0.2, 0.2)
    assert found.completion == 0.625
    assert found.retention_next_day == pytest.approx(1 / 3)  # ann and bob on day 0, ann on day 1; ann came on day 1
    assert found.retention_week == 0.5  # ann and bob on day 0; ann came on day 7
    assert found.new_track_penetration == 0.5  # ann played y on its first day; on day 7.5 it is older than 7 days
    assert found.new_track_share == 0.2
    assert found.coverage == 0.5
    assert found.gini == pytest.approx((-3 * 0 - 1 * 0 + 1 * 2 + 3 * 3) / (4 * 5))
    assert found.novelty == pytest.approx((3 * 0 + 2 * 1) / 5)  # x is known to both, y to one of two
    assert found.diversity == 1.0  # ann's day 0 has the one pair, by two artists


def test_what_no_table_tells_is_not_known(log: Path) -> None:
    found = measure_ecosystem(log / "plays.parquet")
    assert (found.penetration, found.coverage, found.diversity, found.new_track_share) == (None, None, None, None)
    assert found.gini == pytest.approx(1 / 10)  # of 3 and 2 plays


def test_a_log_without_favourites_has_no_rate_of_them(log: Path) -> None:
    random_log(log)
    assert measure_ecosystem(log / "plays.parquet").favourite_rate is None


def test_sql_agrees_with_its_slow_twins(tmp_path: Path) -> None:
    plays = random_log(tmp_path)
    found = measure_ecosystem(tmp_path / "plays.parquet", tracks=tmp_path / "tracks.parquet")
    rows = list(plays.select("user", "track", pl.col("day").floor().cast(int)).iter_rows())
    active = {(user, day) for user, _, day in rows}
    for n, value in ((1, found.retention_next_day), (7, found.retention_week)):
        at_risk = [(user, day) for user, day in active if day + n <= 19]
        assert value == pytest.approx(np.mean([(user, day + n) in active for user, day in at_risk]))
    counts = {f"t{i}": 0 for i in range(50)}
    for _, track, _ in rows:
        counts[track] += 1
    assert found.gini == pytest.approx(float(gini(np.array(list(counts.values())))))
    knows = {track: len({user for user, other, _ in rows if other == track}) / 60 for track in counts}
    assert found.novelty == pytest.approx(np.mean([-np.log2(knows[track]) for _, track, _ in rows]))
    by_day: dict[tuple[str, int], list[int]] = {}
    for user, track, day in rows:
        by_day.setdefault((user, day), []).append(int(track[1:]) // 3)
    shares = [np.mean([a != b for a, b in combinations(own, 2)]) for own in by_day.values() if len(own) > 1]
    assert found.diversity == pytest.approx(np.mean(shares))


def test_days_agree_with_polars(tmp_path: Path) -> None:
    plays = random_log(tmp_path)
    by_day = plays.group_by(pl.col("day").floor().cast(int)).agg(
        pl.len(), pl.col("user").n_unique(), (pl.col("action") == "like").mean().alias("liked")
    )
    found = measure_days(tmp_path / "plays.parquet")
    twins = by_day.sort("day").iter_rows()
    assert [(day.day, day.n_plays, day.n_active, pytest.approx(day.like_rate)) for day in found] == list(twins)
    assert found[0].retention_next_day is not None
    assert found[-1].retention_next_day is None


def test_times_as_seconds_and_as_dates_tell_the_same(log: Path) -> None:
    expected = measure_ecosystem(log / "plays.parquet")
    plays = pl.read_parquet(log / "plays.parquet")
    start = datetime(1970, 1, 1)
    dates = [start + timedelta(days=day) for day in plays["day"]]
    for times in (plays["day"] * 86_400, pl.Series(dates)):
        plays.drop("day").with_columns(times.alias("timestamp")).write_parquet(log / "timed.parquet")
        assert measure_ecosystem(log / "timed.parquet") == expected


def test_a_folder_of_files_is_one_log(tmp_path: Path) -> None:
    plays = random_log(tmp_path)
    (tmp_path / "parts").mkdir()
    for part in range(3):
        plays[part::3].write_parquet(tmp_path / "parts" / f"{part}.parquet")
    whole, parts = (measure_ecosystem(tmp_path / name) for name in ("plays.parquet", "parts"))
    assert parts.gini == pytest.approx(whole.gini)
    assert (parts.n_plays, parts.retention_week) == (whole.n_plays, whole.retention_week)


def test_an_empty_log_has_no_rates(tmp_path: Path) -> None:
    pl.DataFrame(LOG).clear().write_parquet(tmp_path / "plays.parquet")
    found = measure_ecosystem(tmp_path / "plays.parquet")
    assert (found.n_plays, found.days, found.like_rate, found.retention_next_day, found.gini) == (
        0,
        0,
        None,
        None,
        None,
    )


def test_the_rates_of_a_log_without_actions_are_not_known(log: Path) -> None:
    pl.read_parquet(log / "plays.parquet").drop("action").write_parquet(log / "less.parquet")
    found = measure_ecosystem(log / "less.parquet")
    assert (found.like_rate, found.dislike_rate, found.skip_rate) == (None, None, None)
    assert {day.like_rate for day in measure_days(log / "less.parquet")} == {None}


def test_a_log_that_cannot_be_read_is_refused_by_name(log: Path) -> None:
    (log / "bad.parquet").write_text("hello")
    with pytest.raises(ValueError, match=r"bad\.parquet must be a table that can be read"):
        measure_ecosystem(log / "bad.parquet")


def test_a_log_without_a_needed_column_is_refused_by_name(log: Path) -> None:
    plays = pl.read_parquet(log / "plays.parquet")
    for column in ("user", "track", "day"):
        plays.drop(column).write_parquet(log / "less.parquet")
        with pytest.raises(ValueError, match=f"column '{column}'"):
            measure_ecosystem(log / "less.parquet")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        measure_ecosystem(log / "nowhere.parquet")


def test_the_command_prints_a_table_or_json(log: Path, run: Run) -> None:
    shown = run("metrics", log / "plays.parquet", "--tracks", log / "tracks.parquet")
    assert shown.status == 0
    assert "penetration" in shown.out
    assert "not known" in shown.out
    (whole,) = run("metrics", log / "plays.parquet", "--tracks", log / "tracks.parquet", "--json").objects
    assert whole["coverage"] == 0.5
    days = run("metrics", log / "plays.parquet", "--by-day", "--json").objects
    assert [day["day"] for day in days] == [0, 1, 7]
    assert run("metrics", log / "nowhere.parquet").status == 2


@pytest.mark.parametrize("ending", ENDINGS)
def test_any_log_is_measured_and_what_is_left_out_is_counted(tmp_path: Path, ending: str) -> None:
    table = pl.DataFrame(
        {
            "user": ["007", "7", None, "7", "7", "7"],
            "track": ["01", "1", "1", None, "1", "1"],
            "timestamp": [0, 86_400, 86_400, 86_400, None, 86_400],
            "completion": [0.5, None, 0.5, 0.5, 0.5, 1.5],
            "action": ["like", "favorite", None, None, None, None],
        }
    )
    pl.DataFrame({"track": ["01", "1", "2"], "artist_key": ["a", "b", "b"]}).write_csv(tmp_path / "tracks.csv")
    pl.DataFrame({"user": ["007", "7", "8", "9"]}).write_csv(tmp_path / "users.csv")
    log = write(table, tmp_path / f"plays[1].{ending}")
    write(table.head(1), tmp_path / f"plays1.{ending}")
    found = measure_ecosystem(log, tracks=tmp_path / "tracks.csv", users=tmp_path / "users.csv")
    assert (found.n_plays, found.n_left_out, found.n_active, found.n_tracks_played, found.days) == (2, 4, 2, 2, 2)
    assert {reason: n for reason, n in found.left_out.items() if n} == {
        "unknown_user": 1,
        "unknown_track": 1,
        "no_time": 1,
        "completion_over_one": 1,
    }
    assert (found.penetration, found.coverage) == (0.5, pytest.approx(2 / 3))
    assert (found.like_rate, found.favourite_rate) == (1.0, 0.5)


def test_times_in_milliseconds_are_noticed(log: Path, run: Run) -> None:
    plays = pl.DataFrame({"user": ["u"], "track": ["a"], "timestamp": [1_700_000_000_000]})
    plays.write_parquet(log / "plays.parquet")
    for command in ("metrics", "score decay", "score trends", "score rates"):
        refused = run(*command.split(), log / "plays.parquet")
        assert refused.status == 2
        assert "are the times in milliseconds" in refused.err


def test_the_command_says_what_was_left_out(log: Path, run: Run) -> None:
    plays = pl.read_parquet(log / "plays.parquet").with_columns(user=pl.lit(None, pl.String))
    pl.concat([pl.read_parquet(log / "plays.parquet"), plays[:2]]).write_parquet(log / "some.parquet")
    shown = run("metrics", log / "some.parquet").out
    assert [line.split()[:2] for line in shown.splitlines()[3:5]] == [["left", "out"], ["unknown", "user"]]
