"""Preferences: behaviour times content, smoothed towards everyone, with a confidence."""

import polars as pl
import pytest

from audio_engine.users.preferences import everyones, preferences
from audio_engine.users.taste_state import added, state_of_plays
from audio_engine.users.track_facts import FACTS

HALF_LIFE = 10.0
SCHEMA = {"user": pl.String, "track": pl.String, "day": pl.Float64, "completion": pl.Float64, "action": pl.String}
TRACKS = pl.DataFrame(
    [("a", "Jazz", "Ann"), ("b", "Jazz", "Ben"), ("c", "Rock", "Ben"), ("d", None, None)],
    schema=["track", "genre", "artist"],
    orient="row",
)
KNOWN = TRACKS.with_columns(
    *(pl.lit(None, FACTS[name]).alias(name) for name in FACTS if name not in TRACKS.columns), sound=pl.lit("a sound")
)


def profile(plays: list[tuple[object, ...]], *, today: float = 10.0, prior_plays: float = 2.0) -> pl.DataFrame:
    rows = [(user, track, day, None, action) for user, track, day, action in plays]
    state = state_of_plays(pl.DataFrame(rows, schema=SCHEMA, orient="row"), half_life_days=HALF_LIFE)
    totals = added([state], ["track"], half_life_days=HALF_LIFE)
    ready = everyones(totals, KNOWN)
    return preferences(state, KNOWN, ready, today=today, half_life_days=HALF_LIFE, prior_plays=prior_plays)


def of(table: pl.DataFrame, user: str, dimension: str, value: str) -> dict[str, float]:
    found = table.filter(user=user, dimension=dimension, value=value)
    assert len(found) == 1
    return found.row(0, named=True)


def test_a_profile_is_what_was_worked_out_by_hand() -> None:
    plays = [
        ("u", "a", 10.0, "like"),
        ("u", "a", 0.0, "like"),  # a half-life ago: counts half
        ("u", "b", 10.0, "dislike"),
        ("u", "d", 10.0, "like"),  # of no known genre
        ("v", "b", 10.0, "like"),
    ]
    jazz = of(profile(plays), "u", "genre", "Jazz")
    assert (jazz["n_plays"], jazz["last_day"]) == (3, 10.0)
    assert jazz["weight"] == pytest.approx(1.5 - 1)
    assert jazz["share"] == pytest.approx(2.5 / 3.5)
    assert jazz["everyone"] == pytest.approx((1.5 - 1 + 1) / 3.5)
    assert jazz["confidence"] == pytest.approx(2.5 / (2.5 + 2))
    assert jazz["preference"] == pytest.approx((0.5 + 2 * jazz["everyone"]) / 4.5)
    assert of(profile(plays), "u", "artist", "Ben")["weight"] == -1
    assert of(profile(plays), "u", "track", "d")["weight"] == 1
    assert set(profile(plays).filter(user="u")["dimension"]) == {"genre", "artist", "sound", "track"}


def test_more_plays_move_the_preference_from_everyones_to_the_users_own() -> None:
    crowd = [(f"v{n}", "c", 10.0, "dislike") for n in range(50)]
    found = [of(profile(crowd + n * [("u", "c", 10.0, "like")]), "u", "genre", "Rock") for n in (1, 5, 40)]
    told, sure = ([each[name] for each in found] for name in ("preference", "confidence"))
    assert told == sorted(told)
    assert sure == sorted(sure)
    assert told[0] < 0 < told[-1]
    assert sure[-1] == pytest.approx(40 / 42)


def test_who_stays_away_is_known_less_surely_and_shares_stay() -> None:
    plays = [("u", "a", 10.0, "like"), ("u", "c", 10.0, "skip"), ("v", "c", 10.0, "like")]
    now, later = (of(profile(plays, today=day), "u", "genre", "Jazz") for day in (10.0, 40.0))
    assert later["share"] == pytest.approx(now["share"])
    assert later["confidence"] == pytest.approx(1 / 8 / (1 / 8 + 2))
    assert later["confidence"] < now["confidence"]
    assert of(profile(plays, today=1e6), "u", "genre", "Jazz")["confidence"] == 0


def test_values_come_from_the_most_liked_to_the_most_disliked() -> None:
    plays = [("u", "c", 9.0, "dislike"), ("u", "a", 9.0, "like"), ("u", "b", 9.0, "like")]
    assert profile(plays).filter(dimension="genre")["value"].to_list() == ["Jazz", "Rock"]
