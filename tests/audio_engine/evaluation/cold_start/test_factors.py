import numpy as np

from audio_engine.evaluation.cold_start.factors import collaborative_factors
from metric_learning.play_log import DISLIKE, LIKE, PlayLog

RNG = np.random.default_rng(0)


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
