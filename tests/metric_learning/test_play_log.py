from dataclasses import replace

import numpy as np
import pytest

from metric_learning.play_log import ACTIONS, DISLIKE, LIKE, NONE, SKIP, PlayLog, feedback_table, played_table


def log() -> PlayLog:
    return PlayLog(
        user=np.array([0, 0, 1, 1]),
        track=np.array([0, 1, 1, 0]),
        day=np.arange(4, dtype=np.float32),
        completion=np.array([0.9, 0.25, np.nan, 0.1], np.float32),
        action=np.array([LIKE, NONE, NONE, SKIP], np.int8),
    )


def test_the_code_of_an_action_is_its_place() -> None:
    assert [ACTIONS[code] for code in (NONE, LIKE, DISLIKE, SKIP)] == ["none", "like", "dislike", "skip"]


def test_a_signal_comes_from_the_action_first_and_from_completion_otherwise() -> None:
    assert log().signal().tolist() == [1.0, -0.5, 0.5, -1.0]
    assert log().weight()[0] > log().weight()[1]


def test_tables_lay_out_feedback_and_what_was_heard() -> None:
    assert feedback_table(log(), 2, 2).tolist() == [[1, 0], [-1, 0]]
    assert played_table(log(), 2, 3).tolist() == [[True, True, False], [True, True, False]]


def test_the_last_opinion_counts() -> None:
    twice = PlayLog(
        user=np.zeros(2, int),
        track=np.zeros(2, int),
        day=np.zeros(2, np.float32),
        completion=np.ones(2, np.float32),
        action=np.array([LIKE, DISLIKE], np.int8),
    )
    assert feedback_table(twice, 1, 1).tolist() == [[-1]]


def test_tracks_get_the_rows_of_another_table_and_plays_of_those_without_one_go() -> None:
    moved = log().remap(np.array([-1, 7]))
    assert (moved.user.tolist(), moved.track.tolist(), moved.day.tolist()) == ([0, 1], [7, 7], [1.0, 2.0])
    assert log().of_tracks(np.array([True, False])).track.tolist() == [0, 0]
    assert log().of_tracks(np.array([False, True])).track.tolist() == [0, 0]
    assert log().of_tracks(np.array([True, True])).track.tolist() == log().track.tolist()


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="track must have shape"):
        replace(log(), track=np.zeros(1, int))


def test_the_last_opinion_of_a_user_on_a_track_counts() -> None:
    plays = replace(log(), user=np.zeros(4, np.int64), action=np.array([LIKE, DISLIKE, LIKE, SKIP], np.int8))
    assert feedback_table(plays, 2, 3).tolist() == [[-1, 1, 0], [0, 0, 0]]
