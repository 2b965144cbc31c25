"""Sessions: cut where a user pauses; what was rejected or broken off is left out, and everything is counted."""

import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_engine.plays.track_matching import name_tracks
from audio_engine.representations import sessions as module
from audio_engine.representations.sessions import SessionRecipe, Sessions, read_sessions

TRACKS = ["a", "b", "c", "d"]
MINUTE = 1 / 1_440


def cut(rows: pl.DataFrame, folder: Path, recipe: SessionRecipe | None = None) -> Sessions:
    rows.write_parquet(folder / "log.parquet")
    names = name_tracks(TRACKS).table
    return read_sessions(folder / "log.parquet", names, len(TRACKS), recipe=recipe or SessionRecipe(), folder=folder)


def in_lists(sessions: Sessions) -> list[list[str]]:
    return [
        [TRACKS[row] for row in tracks[first:last]]
        for tracks, starts in sessions.blocks()
        for first, last in itertools.pairwise(starts)
    ]


def test_a_log_is_cut_as_by_hand(tmp_path):
    rows = [
        ("ann", "a", 0 * MINUTE, 1.0, "none"),
        ("ann", "b", 5 * MINUTE, 0.1, "none"),  # broken off
        ("ann", "c", 9 * MINUTE, 1.0, "skip"),
        ("ann", "d", 14 * MINUTE, 0.2, "like"),
        ("ann", "d", 18 * MINUTE, 1.0, "none"),  # again
        ("ann", "a", 22 * MINUTE, None, "none"),  # it is not known how much
        ("ann", "b", 83 * MINUTE, 1.0, "none"),  # an hour and a minute later
        ("ben", "b", 1 * MINUTE, 1.0, "none"),
        ("ben", "c", 2 * MINUTE, 1.0, "dislike"),
        ("ben", "x", 3 * MINUTE, 1.0, "none"),  # no track
        ("ben", "a", 4 * MINUTE, 1.0, "none"),
    ]
    log = pl.DataFrame(rows, schema=["user", "track", "day", "completion", "action"], orient="row")
    found = cut(log.sample(fraction=1.0, shuffle=True, seed=3), tmp_path)  # a log need not be in order
    assert sorted(in_lists(found)) == [["a", "d", "a"], ["b", "a"]]
    counts = found.counts
    assert (counts.plays.rows, counts.plays.unknown_track, counts.n_rejected, counts.n_repeated) == (11, 1, 3, 1)
    assert (counts.n_sessions, counts.n_alone, counts.n_tracks) == (2, 1, 3)
    all_kept = cut(log, tmp_path, SessionRecipe(rejected_share=1.0))
    assert sorted(in_lists(all_kept)) == [["a", "b", "c", "d", "a"], ["b", "c", "a"]]
    liked = cut(log, tmp_path, SessionRecipe(gap_minutes=float("inf"), min_completion=0.0))
    assert sorted(in_lists(liked)) == [["a", "b", "d", "a", "b"], ["b", "a"]]


@given(
    plays=st.lists(
        st.tuples(st.sampled_from("uvw"), st.sampled_from(TRACKS), st.integers(0, 400)), min_size=2, max_size=60
    ),
    gap=st.integers(1, 90),
)
@settings(max_examples=50, deadline=None)
def test_cutting_in_blocks_is_cutting_in_plain_loops(plays, gap, tmp_path_factory):
    expected = []
    for user in sorted({user for user, _, _ in plays}):
        theirs = sorted((play for play in plays if play[0] == user), key=lambda play: play[2])
        session: list[str] = []
        last = None
        for _, track, minute in theirs:
            if last is not None and minute - last > gap:
                expected.append(session)
                session = []
            if not session or session[-1] != track:
                session.append(track)
            last = minute
        expected.append(session)
    expected = [session for session in expected if len(session) > 1]
    log = pl.DataFrame(plays, schema=["user", "track", "minute"], orient="row")
    log = log.select("user", "track", timestamp=pl.col("minute") * 60 + 1_000_000)
    folder = tmp_path_factory.mktemp("log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PLAYS_A_BLOCK", 10)
        patch.setattr(module, "TRACKS_TOGETHER", 4)
        recipe = SessionRecipe(gap_minutes=gap + 1e-3)  # a day is no whole number of seconds in floating point
        if not expected:
            with pytest.raises(ValueError, match="a session of two tracks"):
                cut(log, folder, recipe)
            return
        found = cut(log, folder, recipe)
        assert sorted(in_lists(found)) == sorted(expected)
        pairs = sorted(
            (TRACKS[one], TRACKS[other])
            for part in found.transitions(window=2)
            for one, other in zip(*part, strict=True)
        )
    assert pairs == sorted(
        (one, session[place + gap])
        for session in expected
        for gap in (1, 2)
        for place, one in enumerate(session[: len(session) - gap])
        if one != session[place + gap]
    )


def test_a_log_without_times_has_a_session_a_user(tmp_path):
    found = cut(pl.DataFrame({"user": ["u", "u", "v", "u"], "track": ["c", "a", "b", "b"]}), tmp_path)
    assert in_lists(found) == [["c", "a", "b"]]
    assert found.counts.n_alone == 1


def test_some_rejected_plays_are_kept_where_that_is_asked(tmp_path):
    n = 4_000
    rng = np.random.default_rng(0)
    log = pl.DataFrame(
        {
            "user": [f"u{number}" for number in range(n // 4) for _ in range(4)],
            "track": TRACKS * (n // 4),
            "day": rng.random(n),
            "action": "skip",
        }
    )
    found = cut(log, tmp_path, SessionRecipe(rejected_share=0.5, gap_minutes=float("inf")))
    assert found.counts.n_rejected == pytest.approx(n / 2, rel=0.1)


def test_a_log_in_which_nothing_counts_is_an_error_that_says_why(tmp_path):
    log = pl.DataFrame({"user": ["u", "u", "v"], "track": ["a", "b", "c"], "action": ["skip", "none", "none"]})
    with pytest.raises(
        ValueError, match=r"a session of two tracks or more, got none \(3 plays.*1 plays skipped.*2 sessions"
    ):
        cut(log, tmp_path)


@pytest.mark.parametrize("change", [{"gap_minutes": 0}, {"rejected_share": 2}, {"min_completion": -1}])
def test_a_recipe_out_of_range_is_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        SessionRecipe(**change)
