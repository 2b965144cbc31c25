"""Plays stored in files are those read into memory, in order of users and of tracks, however they are cut."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_engine.plays import stored_plays as stored_plays_module
from audio_engine.plays.stored_plays import stored_plays
from audio_engine.plays.tables import TrackTable, read_plays
from audio_engine.plays.track_matching import name_tracks
from metric_learning.play_log import PlayLog, feedback_table, rows_of

USERS = {f"u{i}": i for i in range(5)}
TRACKS = TrackTable(names=name_tracks([f"t{i}" for i in range(6)]), table=pl.DataFrame({"artist_key": list("aabbcc")}))
ROWS = st.lists(
    st.tuples(
        st.sampled_from([*USERS, "stranger"]),
        st.sampled_from([*TRACKS.track_ids, "unknown"]),
        st.sampled_from([0.0, 0.5, 1.0, 7.25]),  # many at one time
        st.sampled_from([0.1, 0.9, None]),
        st.sampled_from(["none", "like", "dislike", "skip", "favourite", "danced"]),
    ),
    min_size=1,
    max_size=60,
)


def columns_of(plays: PlayLog) -> list[tuple[object, ...]]:
    columns = (plays.user, plays.track, plays.day, np.nan_to_num(plays.completion, nan=-1), plays.action)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@settings(deadline=None, max_examples=40)
@given(rows=ROWS, keep=st.lists(st.booleans(), min_size=6, max_size=6), size=st.sampled_from([1, 3, 1000]))
def test_they_are_the_plays_in_memory_sorted_without_changing_the_order_of_one_user(
    rows: list[tuple[object, ...]], keep: list[bool], size: int
) -> None:
    kept = np.array(keep)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_plays_module, "PLAYS_A_PART", size)
        file = Path(folder) / "plays.parquet"
        names = ["user", "track", "day", "completion", "action"]
        pl.DataFrame(rows, schema=names, orient="row", schema_overrides={"completion": pl.Float64}).write_parquet(file)
        memory, counts = read_plays(file, USERS, TRACKS)
        with stored_plays(file, USERS, TRACKS) as stored:
            assert stored.counts == counts
            by_user, by_track = (stored.in_order_of(column, rows_of(kept)) for column in ("user", "track"))
            opinions = stored.opinions(rows_of(kept))
    expected = memory.of_tracks(kept)
    assert columns_of(by_user) == columns_of(expected.in_order_of("user"))
    assert columns_of(by_track) == columns_of(expected.in_order_of("track"))
    n_kept = int(kept.sum())
    assert np.array_equal(feedback_table(opinions, 5, n_kept), feedback_table(expected, 5, n_kept))


def test_what_is_sorted_stays_when_the_file_is_gone_and_is_not_copied_by_who_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "plays.parquet"
    pl.DataFrame({"user": ["u1", "u0"], "track": ["t0", "t5"], "action": ["like", "skip"]}).write_parquet(file)
    with stored_plays(file, USERS, TRACKS) as stored:
        plays = stored.in_order_of("user", np.arange(6))
    assert not stored.file.exists()
    assert plays.user.tolist() == [0, 1]
    assert plays.in_order_of("user") is plays
    assert plays.in_order_of("track").track.tolist() == [0, 5]
