from pathlib import Path

import numpy as np
import pytest

from audio_engine.evaluation.sensitivity import (
    describe_sensitivity,
    draw_histogram,
    owned_similarity,
    user_correlations,
)
from metric_learning.play_log import LIKE, NONE, PlayLog

RNG = np.random.default_rng(0)
TRACKS = RNG.normal(size=(30, 5)).astype(np.float32)
TRACKS /= np.linalg.norm(TRACKS, axis=1, keepdims=True)


def log(n_users: int = 40, sensitive: bool = True) -> PlayLog:
    user = np.repeat(np.arange(n_users), 20)
    track = np.concatenate([RNG.permutation(30)[:20] for _ in range(n_users)])
    taste = RNG.normal(size=(n_users, 5))
    heard = 1 / (1 + np.exp(-3 * (TRACKS[track] * taste[user]).sum(1))) if sensitive else RNG.random(len(user))
    return PlayLog(
        user=user,
        track=track,
        day=np.zeros(len(user), np.float32),
        completion=heard.astype(np.float32),
        action=np.where(heard > 0.9, LIKE, NONE).astype(np.int8),
    )


def test_similarity_to_what_is_owned_agrees_with_loops() -> None:
    plays = log(3)
    found, weight = owned_similarity(plays, TRACKS), np.maximum(plays.signal(), 0)
    for m in range(len(plays)):
        owned = [
            n
            for n in range(len(plays))
            if plays.user[n] == plays.user[m] and plays.track[n] != plays.track[m] and weight[n] > 0
        ]
        expected = sum(weight[n] * float(TRACKS[plays.track[n]] @ TRACKS[plays.track[m]]) for n in owned) / len(owned)
        assert found[m] == pytest.approx(expected, abs=1e-5)


def test_correlations_agree_with_numpy() -> None:
    plays = log(5)
    similarity, r = owned_similarity(plays, TRACKS), user_correlations(plays, TRACKS, n_users=6)
    for user in range(5):
        own = plays.user == user
        assert r[user] == pytest.approx(np.corrcoef(similarity[own], plays.completion[own])[0, 1], abs=1e-6)
    assert np.isnan(r[5])


def test_users_sensitive_to_audio_are_told_from_those_who_are_not() -> None:
    by_sound = describe_sensitivity(user_correlations(log(), TRACKS, n_users=40))
    by_chance = describe_sensitivity(user_correlations(log(sensitive=False), TRACKS, n_users=40))
    assert by_sound.mean > 0.3 > by_chance.mean + 0.1


def test_truth_is_compared_where_it_is_known(tmp_path: Path) -> None:
    r = RNG.normal(size=100)
    truth = np.where(np.arange(100) < 50, r, np.nan)
    found = describe_sensitivity(r, truth)
    assert found.truth_pearson == pytest.approx(1.0)
    assert found.truth_spearman == pytest.approx(1.0)
    draw_histogram(r, tmp_path / "r.png")
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")


def test_too_few_users_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 20, got 3"):
        describe_sensitivity(np.array([0.1, 0.2, 0.3]))
