"""Factors that lean on another kind of content: on planted users."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from audio_engine.transfer.factors import (
    SILENT_PREFERENCE,
    FactorSettings,
    learn_factors,
    preferences,
)
from metric_learning.play_log import DISLIKE, LIKE, NONE, PlayLog

SMALL = FactorSettings(dim=4, ridge=1.0)


def test_the_last_play_says_what_is_wanted() -> None:
    plays = PlayLog(
        user=np.array([0, 0, 0, 1, 1]),
        track=np.array([0, 0, 1, 1, 2]),
        day=np.arange(5, dtype=np.float32),
        completion=np.array([1, 1, 0.5, np.nan, 1], np.float32),
        action=np.array([LIKE, DISLIKE, NONE, NONE, LIKE], np.int8),
    )
    expected = [[0, SILENT_PREFERENCE / 2, 0], [0, SILENT_PREFERENCE, 1]]
    np.testing.assert_allclose(preferences(plays, (2, 3)).toarray(), expected, rtol=1e-6)


def test_who_has_no_play_gets_the_items_of_those_like_them() -> None:
    wanted, sides = _two_sides(n_users=80, n_items=20)
    wanted[:10] = 0
    known = np.stack([sides, -sides], axis=1).astype(np.float32)
    factors = learn_factors(csr_array(wanted), known=known, settings=SMALL)
    scores = factors.users[:10] @ factors.items.T
    right = np.where(sides[:10, None] > 0, scores[:, :10].min(axis=1)[:, None], scores[:, 10:].min(axis=1)[:, None])
    wrong = np.where(sides[:10, None] > 0, scores[:, 10:].max(axis=1)[:, None], scores[:, :10].max(axis=1)[:, None])
    assert (right > wrong).all()
    blind = learn_factors(csr_array(wanted), settings=SMALL)
    np.testing.assert_array_equal(blind.users[:10], np.repeat(blind.users[:1], 10, axis=0))


def test_own_plays_outweigh_what_the_map_expects() -> None:
    wanted, sides = _two_sides(n_users=80, n_items=20)
    known = np.stack([sides, -sides], axis=1).astype(np.float32)
    known[0] *= -1
    factors = learn_factors(csr_array(wanted), known=known, settings=SMALL)
    scores = factors.users[0] @ factors.items.T
    own, other = (scores[:10], scores[10:]) if sides[0] > 0 else (scores[10:], scores[:10])
    assert own.mean() > other.mean()


def test_an_item_nobody_played_is_found_by_its_sound() -> None:
    wanted, sides = _two_sides(n_users=80, n_items=20)
    wanted[:, [0, 19]] = 0
    sound = np.repeat([[1.0, 0.0], [0.0, 1.0]], 10, axis=0).astype(np.float32)
    factors = learn_factors(csr_array(wanted), sound=sound, settings=SMALL)
    scores = factors.users @ factors.items.T
    assert (np.sign(scores[:, 0] - scores[:, 19]) == np.sign(sides)).mean() > 0.95
    deaf = learn_factors(csr_array(wanted), settings=SMALL)
    assert not deaf.items[[0, 19]].any()


def test_popularity_counts_less_the_more_was_played() -> None:
    wanted = csr_array(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0]], np.float32))
    factors = learn_factors(wanted, settings=FactorSettings(dim=2, popularity=0.8))
    np.testing.assert_allclose(factors.users[:, -1], [0.8, 0.2, 0.8 / 9], rtol=1e-6)
    np.testing.assert_allclose(factors.items[:, -1], np.log([3, 2, 1]) / np.log(3), rtol=1e-6)


def test_a_single_play_is_enough() -> None:
    factors = learn_factors(csr_array(np.array([[0, 1], [0, 0]], np.float32)), settings=FactorSettings())
    scores = factors.users @ factors.items.T
    assert np.isfinite(scores).all()
    assert (scores[:, 1] > scores[:, 0]).all()


@pytest.mark.parametrize("setting", ["dim", "confidence", "ridge", "n_rounds"])
def test_settings_must_be_positive(setting: str) -> None:
    with pytest.raises(ValueError, match=f"{setting} must be positive, got 0"):
        FactorSettings(**{setting: 0})


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="popularity must not be negative"):
        FactorSettings(popularity=-1)
    with pytest.raises(ValueError, match="plays must have a play"):
        learn_factors(csr_array((3, 3)), settings=SMALL)
    with pytest.raises(ValueError, match="a row for each of 2 users or items, got 1"):
        learn_factors(csr_array(np.ones((2, 2))), known=np.ones((1, 2), np.float32), settings=SMALL)


def _two_sides(n_users: int, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Let each user like most of one half of the items: the likes, and +1 for the first half."""
    rng = np.random.default_rng(1)
    sides = np.where(rng.random(n_users) < 0.5, 1.0, -1.0)
    of_side = (np.arange(n_items) < n_items // 2) == (sides > 0)[:, None]
    return (of_side & (rng.random((n_users, n_items)) < 0.7)).astype(np.float32), sides
