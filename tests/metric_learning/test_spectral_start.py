import numpy as np
import pytest
import torch

from metric_learning import spectral_start
from metric_learning.play_log import LIKE, PlayLog
from metric_learning.spectral_start import FEW_PLAYS, spectral_track_vectors
from metric_learning.user import UserTower
from metric_learning.user_recipe import UserRecipe
from tests.metric_learning.test_user import N_TRACKS, N_USERS, tastes, tower

NOTHING = tastes().where(np.zeros(0, np.int64))


def vectors_of(plays: PlayLog, dim: int = 8) -> np.ndarray:
    return spectral_track_vectors(plays, n_users=N_USERS, n_tracks=N_TRACKS, dim=dim)


def test_they_are_those_of_a_whole_svd() -> None:
    plays = tastes()
    table = np.zeros((N_USERS, N_TRACKS))
    np.add.at(table, (plays.user, plays.track), plays.signal() * plays.weight())
    of_users, of_tracks = (np.bincount(side) + FEW_PLAYS for side in (plays.user, plays.track))
    directions = np.linalg.svd(table / np.sqrt(of_users)[:, None] / np.sqrt(of_tracks))[2] / np.sqrt(of_tracks)
    strongest, second = (np.abs(np.corrcoef(vectors_of(plays)[:, k], directions[k])[0, 1]) for k in range(2))
    assert strongest > 0.999999
    assert second > 0.9  # the others are of nearly equal strength


def test_the_strongest_direction_tells_tastes_apart() -> None:
    strongest = vectors_of(tastes())[:, 0]
    even, odd = strongest[::2], strongest[1::2]
    assert (even.max() < odd.min()) or (odd.max() < even.min())


def test_neither_order_nor_blocks_nor_threads_change_a_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = vectors_of(tastes())
    shuffled = vectors_of(tastes().where(np.random.default_rng(0).permutation(len(tastes()))))
    np.testing.assert_allclose(shuffled @ shuffled.T, whole @ whole.T, atol=1e-6)
    before = torch.get_num_threads()
    torch.set_num_threads(2 if before == 1 else 1)
    np.testing.assert_array_equal(vectors_of(tastes()), whole)
    torch.set_num_threads(before)
    monkeypatch.setattr(spectral_start, "BLOCK_PLAYS", 17)  # users have twelve plays each
    found = vectors_of(tastes())
    np.testing.assert_allclose(found @ found.T, whole @ whole.T, atol=1e-6)


def test_a_log_without_plays_says_nothing_and_leaves_a_tower_as_it_was() -> None:
    found, made = vectors_of(NOTHING), tower()
    assert not found.any()
    made.lean_towards(found)
    torch.testing.assert_close(made.state_dict(), tower().state_dict())


def test_a_tower_leans_towards_them_and_what_they_lack_stays_random() -> None:
    few = UserRecipe(n_tracks=5, dim=8)
    plays = PlayLog(
        user=np.repeat(np.arange(6), 2),
        track=np.arange(12) % 5,
        day=np.zeros(12, np.float32),
        completion=np.ones(12, np.float32),
        action=np.full(12, LIKE, np.int8),
    )
    found = spectral_track_vectors(plays, n_users=6, n_tracks=5, dim=8)
    made, random = UserTower(few), UserTower(few)
    random.load_state_dict(made.state_dict())
    made.lean_towards(found)
    assert found.shape == (5, 5)
    leaning = torch.from_numpy(found * (0.15 / found.std()))
    torch.testing.assert_close(made.offered.weight[:, :5], random.offered.weight[:, :5] + leaning)
    torch.testing.assert_close(made.offered.weight[:, 5:], random.offered.weight[:, 5:])
    torch.testing.assert_close(made.played.weight[:-1], made.offered.weight)
