import numpy as np
import pytest

from metric_learning.turning import turn_towards

RNG = np.random.default_rng(0)


def unit(points: np.ndarray) -> np.ndarray:
    return points / np.linalg.norm(points, axis=1, keepdims=True)


TASTE = unit(RNG.normal(size=(300, 8)))
USERS = unit(RNG.normal(size=(500, 8)) * (3, 2, 1, 0.5, 0.1, 0.1, 0.1, 0.1))  # who differ in few directions


@pytest.mark.parametrize("agreement", [0.0, 0.6, 1.0])
def test_a_turn_is_a_rotation(agreement: float) -> None:
    rotation = turn_towards(unit(RNG.normal(size=(300, 8))), TASTE, USERS, agreement=agreement)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(8), atol=1e-9)


def test_sound_that_says_the_same_as_taste_is_turned_to_it() -> None:
    rotation = np.linalg.qr(RNG.normal(size=(8, 8)))[0]
    turned = (TASTE @ rotation) @ turn_towards(TASTE @ rotation, TASTE, USERS, agreement=1.0)
    np.testing.assert_allclose(USERS @ turned.T, USERS @ TASTE.T, atol=0.02)


def test_sound_that_says_nothing_is_turned_to_where_users_hardly_differ() -> None:
    loud_in_two = unit(RNG.normal(size=(300, 8)) * (5, 5, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3))
    turned = loud_in_two @ turn_towards(loud_in_two, TASTE, USERS, agreement=0.0)
    assert (USERS @ turned.T).std() < 0.3 * (USERS @ loud_in_two.T).std()
