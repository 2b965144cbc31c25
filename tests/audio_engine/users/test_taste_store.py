"""The store of tastes: kept up to date by new plays alone, equal to one that was built at once."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from audio_engine import NotTrainedError, UnknownUserError
from audio_engine.users.taste_store import TasteStore, add_batches

HALF_LIFE = 30.0
NOBODY = pl.DataFrame(schema={"user": pl.String, "track": pl.String})
parts_of = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from("xyz"),
            st.floats(0, 200, allow_subnormal=False),
            st.none() | st.floats(0, 1),
            st.sampled_from(["none", "like", "skip"]),
        ),
        max_size=8,
    ),
    min_size=1,
    max_size=5,
)


def add(file: Path, parts: list[list[Any]], name: str) -> None:
    names = ["user", "track", "day", "completion", "action"]
    schema = dict(zip(names, (pl.String, pl.String, pl.Float64, pl.Float64, pl.String), strict=True))
    frames = (pl.DataFrame(part, schema=schema, orient="row") for part in parts)
    add_batches(file, frames, name=name, fingerprint=name, half_life_days=HALF_LIFE)


def everything(file: Path) -> tuple[pl.DataFrame, ...]:
    store = TasteStore(file)
    tastes = pl.concat([NOBODY, *store.blocks(n_users=2)], how="diagonal").sort("user", "track")
    return tastes, store.totals().sort("track"), store.activity(since=100).sort("user")


@given(parts_of, st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_updates_in_any_order_equal_a_rebuild(tmp_path: Path, parts: list[list[Any]], random: Any) -> None:
    shuffled = list(parts)
    random.shuffle(shuffled)
    for file in tmp_path.iterdir():
        file.unlink()
    add(tmp_path / "whole", [[play for part in parts for play in part]], "all")
    for number, part in enumerate(shuffled):
        add(tmp_path / "updated", [part], f"part {number}")
    for updated, whole in zip(everything(tmp_path / "updated"), everything(tmp_path / "whole"), strict=True):
        assert_frame_equal(updated, whole, rel_tol=1e-9, abs_tol=1e-9)


def test_sums_over_users_are_those_of_the_pairs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    plays = [
        ("abcdefg"[rng.integers(7)], "xyz"[rng.integers(3)], float(rng.uniform(0, 90)), 0.8, "like") for _ in range(99)
    ]
    add(tmp_path / "store", [plays[:40], plays[40:]], "log")
    tastes, totals, activity = everything(tmp_path / "store")
    by_track = tastes.group_by("track").agg(pl.col("n_plays").sum(), n_users=pl.len().cast(pl.Int64)).sort("track")
    assert_frame_equal(totals.select("track", "n_plays", "n_users"), by_track)
    assert (activity["plays"].sum(), activity["assets"].sum()) == (0, len(tastes))
    store = TasteStore(tmp_path / "store")
    assert (store.n_users, store.n_plays, store.n_pairs) == (7, 99, len(tastes))
    assert store.last_day == max(play[2] for play in plays)
    assert sorted(each for part in store.blocks(one_in=3) for each in part["user"].unique()) == ["c", "f"]


def test_a_log_counts_once_and_a_half_life_stays(tmp_path: Path) -> None:
    add(tmp_path / "store", [[("a", "x", 1.0, None, "like")]], "log")
    kept = shutil.copyfile(tmp_path / "store", tmp_path / "kept")
    with pytest.raises(ValueError, match="plays must be new, got a log that was added as log"):
        add(tmp_path / "store", [[("a", "x", 1.0, None, "like")]], "log")
    with pytest.raises(ValueError, match="half_life_days must be 30 as before, got 7"):
        add_batches(tmp_path / "store", [], name="b", fingerprint="b", half_life_days=7.0)
    assert everything(tmp_path / "store")[0].equals(everything(kept)[0])


def test_who_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotTrainedError, match="users update PLAYS"):
        TasteStore(tmp_path / "nothing")
    add(tmp_path / "store", [[("a", "x", 1.0, None, "like")]], "log")
    assert TasteStore(tmp_path / "store").user("a")["track"].to_list() == ["x"]
    with pytest.raises(UnknownUserError, match="'b'"):
        TasteStore(tmp_path / "store").user("b")
