import numpy as np
import polars as pl
import pytest

from audio_engine.ranking.counts import (
    EVENTS,
    KEYS,
    SMOOTHING,
    add_counts,
    count,
    count_numbers,
    counts_before,
    look_up,
)


def log(n: int = 300) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "user": rng.choice(["u", "v", "w"], n),
            "track": rng.choice(["s", "t", "x", "y"], n),
            "artist": rng.choice(["a", "b"], n),
            "day": rng.integers(0, 40, n).astype(float),
            "action": rng.choice(["like", "dislike", "skip", "none"], n),
        }
    )


def test_counts_before_a_play_agree_with_their_slow_twin_and_never_look_at_its_own_day_or_later() -> None:
    plays = log()
    found = counts_before(plays)
    assert found.select(plays.columns).equals(plays)
    for row in found.iter_rows(named=True):
        earlier = plays.filter(pl.col("day") < row["day"])
        for key, columns in KEYS.items():
            same = earlier.filter(pl.all_horizontal(pl.col(name) == row[name] for name in columns))["action"].to_list()
            rejected = sum(action in {"dislike", "skip"} for action in same)
            assert [row[f"{key}_{event}"] for event in EVENTS] == [len(same), same.count("like"), rejected]


def test_what_comes_later_changes_no_count() -> None:
    plays = log()
    early = plays.filter(pl.col("day") < 20)
    assert counts_before(plays).filter(pl.col("day") < 20).equals(counts_before(early))


def test_two_halves_of_a_log_add_up_to_the_whole() -> None:
    plays = log()
    both = add_counts(count(plays.head(100)), count(plays.tail(200)))
    assert all(both[key].equals(count(plays)[key]) for key in KEYS)


def test_who_was_never_heard_of_has_no_plays_and_the_overall_like_rate() -> None:
    row = pl.DataFrame({"user": ["?"], "track": ["?"], "artist": ["?"]})
    numbers = look_up(row, count(log())).select(count_numbers(0.3)).row(0)
    assert numbers == pytest.approx([0.0, 0.3] * len(KEYS))


def test_a_like_rate_by_hand() -> None:
    plays = pl.DataFrame(
        {"user": ["u"] * 3, "track": ["t"] * 3, "artist": ["a"] * 3, "action": ["like", "like", "skip"]}
    )
    numbers = look_up(plays.head(1), count(plays)).select(count_numbers(0.5)).row(0, named=True)
    assert numbers["track_log_plays"] == pytest.approx(np.log(4))
    assert numbers["track_like_rate"] == pytest.approx((2 + SMOOTHING * 0.5) / (3 + SMOOTHING))
