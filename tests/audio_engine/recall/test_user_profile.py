"""Similar-track recall: one vector per user against merged lists in plain loops."""

import numpy as np
import pytest

from audio_engine.recall.user_profile import likes_something, merged_vectors, play_weights, taste_vectors, tastes_of
from metric_learning.play_log import ACTIONS, PlayLog

N_USERS, N_TRACKS, DIM, NOW = 7, 30, 5, 100.0


def make_log(*plays):
    """Plays of (user, track, action, completion, days ago)."""
    user, track, action, completion, days_ago = zip(*plays, strict=True)
    return PlayLog(
        user=np.array(user, np.int64),
        track=np.array(track, np.int64),
        day=NOW - np.array(days_ago, np.float32),
        completion=np.array(completion, np.float32),
        action=np.array([ACTIONS.index(name) for name in action], np.int8),
    )


def random_log(rng, n=400):
    return PlayLog(
        user=rng.integers(0, N_USERS, n),
        track=rng.integers(0, N_TRACKS, n),
        day=rng.uniform(0, NOW, n).astype(np.float32),
        completion=np.where(rng.random(n) < 0.2, np.nan, rng.random(n)).astype(np.float32),
        action=rng.integers(0, len(ACTIONS), n).astype(np.int8),
    )


def unit_vectors(rng, n):
    vectors = rng.normal(size=(n, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def merged_scores(log, vectors, *, half_life_days, dislike_share):
    """The slow twin: every liked and every disliked track is compared with every track, and the answers are merged."""
    scores = np.zeros((N_USERS, len(vectors)))
    for user in range(N_USERS):
        told = {}
        for play in range(len(log)):
            if log.user[play] != user:
                continue
            action, completion = ACTIONS[log.action[play]], log.completion[play]
            if action == "like":
                says = 1.0
            elif action in {"dislike", "skip"}:
                says = -1.0
            else:
                says = 0.3 * (0.5 if np.isnan(completion) else 2 * completion - 1)
            weight = says * 0.5 ** ((NOW - log.day[play]) / half_life_days)
            told[log.track[play]] = told.get(log.track[play], 0.0) + weight
        liked = {track: weight for track, weight in told.items() if weight > 0}
        disliked = {track: -weight for track, weight in told.items() if weight < 0}
        for other in range(len(vectors)):
            for tracks, sign in ((liked, 1.0), (disliked, -dislike_share)):
                for track, weight in tracks.items():
                    similarity = float(vectors[track].astype(float) @ vectors[other].astype(float))
                    scores[user, other] += sign * weight * similarity / sum(tracks.values())
    return scores


@pytest.mark.parametrize("dislike_share", [0.0, 0.25, 1.0])
def test_one_search_by_the_taste_vector_ranks_as_the_merge_over_all_liked_and_disliked_tracks(dislike_share):
    rng = np.random.default_rng(0)
    log, vectors = random_log(rng), unit_vectors(rng, N_TRACKS)
    tastes = tastes_of(log, N_USERS, N_TRACKS, now=NOW, half_life_days=40.0)
    fast = taste_vectors(tastes, vectors, dislike_share=dislike_share) @ vectors.T
    slow = merged_scores(log, vectors, half_life_days=40.0, dislike_share=dislike_share)
    lengths = slow[:, :1] / fast[:, :1]  # the vectors are cut to unit length, which changes no order
    np.testing.assert_allclose(fast * lengths, slow, atol=1e-5)
    assert (lengths > 0).all()


def test_a_play_loses_half_its_weight_in_a_half_life():
    log = make_log((0, 0, "like", 1.0, 0.0), (0, 0, "like", 1.0, 30.0), (0, 0, "dislike", 1.0, 60.0))
    np.testing.assert_allclose(play_weights(log, now=NOW, half_life_days=30.0), [1.0, 0.5, -0.25])


def test_a_play_without_an_action_counts_by_the_share_that_was_heard():
    log = make_log(*((0, 0, "none", heard, 0.0) for heard in (1.0, 0.5, 0.0)))
    weights = play_weights(log, now=NOW)
    assert weights[0] > weights[1] == 0.0 > weights[2]
    assert abs(weights[0]) < 1  # an action tells more


def test_disliked_sound_pushes_away():
    vectors = np.eye(3, dtype=np.float32)
    liked = make_log((0, 0, "like", 1.0, 0.0))
    also_disliked = make_log((0, 0, "like", 1.0, 0.0), (0, 1, "dislike", 1.0, 0.0))
    before, after = (
        (taste_vectors(tastes_of(log, 1, 3, now=NOW), vectors) @ vectors.T)[0] for log in (liked, also_disliked)
    )
    assert after[1] < before[1] == 0.0
    assert after[2] == before[2] == 0.0


def test_recent_plays_weigh_more():
    vectors = np.eye(2, dtype=np.float32)
    log = make_log((0, 0, "like", 1.0, 200.0), (0, 1, "like", 1.0, 1.0))
    old, new = (taste_vectors(tastes_of(log, 1, 2, now=NOW), vectors) @ vectors.T)[0]
    assert new > old > 0


def test_who_likes_nothing_has_no_vector():
    log = make_log((0, 0, "dislike", 1.0, 0.0), (1, 0, "like", 1.0, 0.0))
    tastes = tastes_of(log, 3, 2, now=NOW)
    assert likes_something(tastes).tolist() == [False, True, False]
    np.testing.assert_array_equal(taste_vectors(tastes, np.eye(2, dtype=np.float32))[[0, 2]], 0.0)


def test_a_track_that_was_only_heard_keeps_its_cell():
    tastes = tastes_of(make_log((0, 1, "none", 0.5, 0.0)), 1, 3, now=NOW)
    assert tastes.indices.tolist() == [1]
    assert tastes.data.tolist() == [0.0]


def test_merged_recall_sums_the_scores_of_both():
    rng = np.random.default_rng(0)
    tower, taste, tracks = (unit_vectors(rng, n) for n in (4, 4, 9))
    taste[3] = 0.0  # likes nothing: the tower alone speaks
    merged = merged_vectors(tower, taste, sound_share=0.5) @ tracks.T
    summed = tower @ tracks.T + 0.5 * taste @ tracks.T
    np.testing.assert_array_equal(np.argsort(-merged, axis=1), np.argsort(-summed, axis=1))
    np.testing.assert_allclose(merged[3], tower[3] @ tracks.T, atol=1e-6)
