import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from audio_engine.scoring.value.ages import freshness, heat
from audio_engine.scoring.value.lifts import circle_index, pay_drive, pull_of_new_users, pull_of_returning_users
from audio_engine.scoring.value.log import ValueLog, open_value_log
from audio_engine.scoring.value.policy import Signals, Times
from audio_engine.scoring.value.quality import interaction_quality
from tests.audio_engine.scoring.value.logs import write_log, write_random_world

pytest.importorskip("duckdb", reason="duckdb is not installed: pip install '.[metrics]'")

TRACKS = pl.DataFrame({"track": ["a", "b", "never"]})
LIKES_ONLY = Signals(completion=0.0, like=1.0, favourite=0.0, share=0.0, skip=0.0, dislike=0.0)


@contextmanager
def opened(folder: Path, **options: float) -> Iterator[ValueLog]:
    with open_value_log(
        folder / "plays.parquet", events=folder / "events.parquet", times=Times(), **options
    ) as log:  # fmt: skip
        yield log


def test_an_event_belongs_to_the_last_play_of_its_track_within_the_window(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plays = [("u", "a", 1.0, "none"), ("u", "a", 2.0, "none"), ("u", "b", 3.0, "none"), ("v", "a", 1.0, "none")]
    events = [
        ("u", "a", 2.5, "purchase"),  # of the play at day 2
        ("u", None, 3.5, "subscribe"),  # of no track: of the last play, b at day 3
        ("v", "a", 9.0, "purchase"),  # eight days after: of none
        ("v", "b", 1.5, "purchase"),  # never played: of none
        ("v", "a", 0.5, "share"),  # before it was played: of none
        ("v", "a", 1.0, "favourite"),  # in the same instant
        ("v", "a", 1.0, "applause"),  # of no kind that is known
    ]
    write_log(tmp_path, plays, events)
    with caplog.at_level(logging.WARNING), opened(tmp_path, at_day=10.0) as log:
        heard = log.fetch("SELECT listener, track, favoured, shared, paid FROM heard ORDER BY listener, track, paid")
    assert heard.rows() == [
        ("u", "a", False, False, False),
        ("u", "a", False, False, True),
        ("u", "b", False, False, True),
        ("v", "a", True, False, False),
    ]
    assert "7 events, 1 left out" in caplog.text
    assert "6 events, 3 follow no play of their user" in caplog.text


def test_first_plays_returns_and_places_in_a_visit(tmp_path: Path) -> None:
    days = [("old", 0.0), ("old", 0.01), ("old", 5.0), ("old", 30.0), ("new", 20.0), ("new", 20.01), ("new", 40.0)]
    write_log(tmp_path, [(user, "a", day, "none") for user, day in days], [])
    with opened(tmp_path) as log:
        heard = log.fetch("SELECT listener, place, is_first, is_return FROM heard ORDER BY listener DESC, week, place")
    assert (
        heard.rows()
        == [
            ("old", 1, False, False),  # in the log's first fortnight: perhaps no new user
            ("old", 1, False, False),
            ("old", 2, False, False),
            ("old", 1, False, True),  # 25 days away
            ("new", 1, True, False),
            ("new", 2, False, False),
            ("new", 1, False, True),
        ]
        or heard.sort("listener", "is_first").height == 7
    )


def test_pay_drive_worked_by_hand(tmp_path: Path) -> None:
    # one week, five users alike in activity bands of one user each: a stratum a user, each with a play of a and of b
    users = [f"u{i}" for i in range(5)]
    plays = [(user, track, 1.0 + 0.1 * (track == "b"), "none") for user in users for track in ("a", "b")]
    write_log(tmp_path, plays, [(user, "a", 1.05, "purchase") for user in users[:4]])
    with opened(tmp_path) as log:
        found = pay_drive(log, TRACKS)
    assert found.numerator.tolist() == [4, 0, 0]
    assert found.denominator.tolist() == [2, 2, 0]  # four strata at 1 of 2, one at 0
    strength = (found.value[0] * 2 - 4) / (1 - found.value[0])
    assert found.value.tolist() == pytest.approx([(4 + strength) / (2 + strength), strength / (2 + strength), 1])
    assert found.low[0] < found.value[0] < found.high[0]


def test_those_who_pay_anyway_make_no_pay_drive(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows, events = [], []
    for i in range(400):  # busy users pay a lot, whatever they hear, and hear `a` more
        busy = i % 5 == 0
        for k in range(40 if busy else 4):
            track = "a" if rng.random() < (0.8 if busy else 0.2) else "b"
            day = 1 + 5 * rng.random() + k * 1e-6
            rows.append((f"u{i}", track, day, "none"))
            if rng.random() < (0.3 if busy else 0.02):
                events.append((f"u{i}", track, day, "purchase"))
    write_log(tmp_path, rows, events)
    with opened(tmp_path) as log:
        found = pay_drive(log, TRACKS)
    paid = pl.DataFrame(events, orient="row")["column_1"].value_counts()
    n = pl.DataFrame(rows, orient="row")["column_1"].value_counts()
    raw = {
        t: paid.row(by_predicate=pl.col("column_1") == t)[1] / n.row(by_predicate=pl.col("column_1") == t)[1]
        for t in "ab"
    }
    assert raw["a"] > 1.3 * raw["b"]
    assert found.value[:2] == pytest.approx([1, 1], abs=0.12)


def test_quality_takes_the_users_off_and_raw_rates_do_not(tmp_path: Path) -> None:
    rng, rows = np.random.default_rng(0), []
    for i in range(300):  # users who like a lot hear `a` more, the harsh hear `b` more, and `b` is the better one
        harsh = i % 2 == 0
        for k in range(60):
            track = "b" if rng.random() < (0.6 if harsh else 0.4) else "a"
            chance = (0.2 if harsh else 0.5) + (0.05 if track == "b" else 0.0)
            rows.append((f"u{i}", track, float(k), "like" if rng.random() < chance else "none"))
    write_log(tmp_path, rows, [])
    plays = pl.DataFrame(rows, schema=["user", "track", "day", "action"], orient="row")
    raw = dict(plays.group_by("track").agg((pl.col("action") == "like").mean()).iter_rows())
    with opened(tmp_path) as log:
        found = interaction_quality(log, TRACKS, LIKES_ONLY)
        mean = plays.select((pl.col("action") == "like").mean()).item()
    assert raw["a"] > raw["b"]
    assert 0.02 < (found.value[1] - found.value[0]) * mean < 0.07  # 0.05, shrunk
    assert found.value[2] == 1
    assert found.high[2] - found.low[2] > found.high[0] - found.low[0]


def test_signals_that_make_a_play_worth_nothing_are_refused(tmp_path: Path) -> None:
    write_log(tmp_path, [("u", "a", 1.0, "skip"), ("v", "a", 1.0, "skip"), ("v", "b", 2.0, "none")], [])
    harsh = Signals(completion=0.0, like=1.0, favourite=1.0, share=1.0, skip=-1.0, dislike=-1.0)
    with (
        opened(tmp_path) as log,
        pytest.raises(ValueError, match="signals must make the average play worth more than 0"),
    ):
        interaction_quality(log, TRACKS, harsh)


def test_a_log_that_tells_nothing_gives_every_track_the_average(tmp_path: Path) -> None:
    write_log(tmp_path, [(f"u{i}", "ab"[i % 2], float(i), "none") for i in range(20)], [])
    with opened(tmp_path) as log:
        for found in (
            interaction_quality(log, TRACKS, LIKES_ONLY),
            pay_drive(log, TRACKS),
            pull_of_returning_users(log, TRACKS),
        ):
            assert found.value == pytest.approx([1, 1, 1], abs=1e-3)
            assert np.isfinite(found.low).all()
            assert np.isfinite(found.high).all()


def test_the_circle_that_wants_a_track_is_named_and_its_index_is_large(tmp_path: Path) -> None:
    write_random_world(tmp_path)
    tracks = pl.read_parquet(tmp_path / "tracks.parquet")
    with opened(tmp_path) as log:
        found, names = circle_index(log, tracks, circles=tmp_path / "users.parquet", columns=("circle",))
        none, no_names = circle_index(log, tracks, circles=None, columns=("circle",))
        with pytest.raises(ValueError, match=r"users\.parquet must have a column 'age', got user, circle"):
            circle_index(log, tracks, circles=tmp_path / "users.parquet", columns=("age",))
    assert (found.value.argmax(), names[10], names[0]) == (10, "b", None)
    assert found.low[10] > 1.2
    assert found.value[0] == 1
    assert set(none.value) == {1.0}
    assert no_names.null_count() == len(tracks)


def test_a_track_that_brings_users_back_or_in_has_pull(tmp_path: Path) -> None:
    rng, rows = np.random.default_rng(0), []
    for i in range(300):  # users come at a random day after the 14th, leave for a month, and come back
        start = 15 + 7 * rng.random()
        for visit, first in ((0, "a"), (1, "b")):
            for k in range(4):
                track = first if k == 0 and rng.random() < 0.8 else "ab"[rng.integers(2)]
                rows.append((f"u{i}", track, start + 30 * visit + 0.001 * k, "none"))
    write_log(tmp_path, [("old", "a", 0.0, "none"), *rows], [])
    with opened(tmp_path) as log:
        new, back = pull_of_new_users(log, TRACKS), pull_of_returning_users(log, TRACKS)
    assert new.value[0] > 1.1
    assert new.value[1] < 0.95
    assert back.value[1] > 1.1
    assert back.value[0] < 0.95
    assert new.numerator.sum() == pytest.approx(new.denominator.sum())


def test_heat_and_freshness_worked_by_hand(tmp_path: Path) -> None:
    write_log(tmp_path, [("u", "a", 0.0, "none"), ("u", "a", 30.0, "none"), ("u", "b", 20.0, "none")], [])
    tracks = TRACKS.with_columns(release_day=pl.Series([0, None, 99]))
    with opened(tmp_path) as log:
        hot, fresh = heat(log, tracks, half_life_days=30.0), freshness(log, tracks, half_life_days=10.0)
    assert hot.value.tolist() == pytest.approx([1.5, 2 ** (-1 / 3), 0])
    assert (hot.high - hot.value)[0] == pytest.approx(1.96 * (1 + 0.25) ** 0.5)
    assert fresh.value.tolist() == pytest.approx([1 / 8, 1 / 2, 1])  # b is as old as its first play, `never` is to come
