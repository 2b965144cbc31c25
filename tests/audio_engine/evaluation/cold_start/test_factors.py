import numpy as np
from scipy.sparse import csr_array

from audio_engine.evaluation.cold_start.factors import collaborative_factors, solve_rows
from metric_learning.play_log import DISLIKE, LIKE, PlayLog

RNG = np.random.default_rng(0)


def test_rows_agree_with_ridge_regression_one_at_a_time() -> None:
    columns = RNG.normal(size=(8, 3)).astype(np.float32)
    target, weight = RNG.normal(size=(5, 8)).astype(np.float32), RNG.random((5, 8)).astype(np.float32)
    rows = solve_rows(columns, csr_array(target), csr_array(weight), ridge=0.5)
    for i in range(5):
        gram = sum(weight[i, j] * np.outer(columns[j], columns[j]) for j in range(8)) + 0.5 * np.eye(3)
        told = sum(weight[i, j] * target[i, j] * columns[j] for j in range(8))
        np.testing.assert_allclose(rows[i], np.linalg.solve(gram, told), atol=1e-4)


def test_two_tastes_come_apart() -> None:
    user, track = np.divmod(np.arange(40 * 10), 10)
    likes = (user % 2) == (track % 2)
    seen = RNG.random(400) < 0.7
    plays = PlayLog(
        user=user[seen],
        track=track[seen],
        day=np.zeros(seen.sum(), np.float32),
        completion=np.full(seen.sum(), np.nan, np.float32),
        action=np.where(likes, LIKE, DISLIKE).astype(np.int8)[seen],
    )
    found = collaborative_factors(plays, (40, 10), dim=2)
    table = found.users @ found.tracks.T
    hidden = table[user[~seen], track[~seen]]
    assert hidden[likes[~seen]].min() > hidden[~likes[~seen]].max()
