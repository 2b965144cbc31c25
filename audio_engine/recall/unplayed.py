"""The best items that each user has not played, by scores that a factorisation gives users and items.

They are computed a block of users at a time: there is no table of all users and items.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from audio_engine.metrics.ranking_quality import top_k
from metric_learning.play_log import PlayLog, played_cells

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]

BLOCK_CELLS = 10_000_000  # scores in memory at a time, 40 MB


def best_unplayed(
    score: Callable[[slice], Floats], plays: PlayLog, shape: tuple[int, int], *, k: int
) -> Iterator[tuple[Rows, Rows, Rows, Floats]]:
    """Find the best items of each user, without those that they have played.

    Parameters
    ----------
    score
        Scores all items for some users, (n_users, n_items); more is better.
    plays
        What was played.
    shape
        Number of users and of items.
    k
        Items per user; fewer if they have played nearly everything.

    Yields
    ------
    users, ranks, items, scores : (n_answers,)
        Of a block of users: a user's answers together, the best first, rank 1; ties in the order of the items.
    """
    n_users, n_items = shape
    played, size = played_cells(plays, n_users, n_items), max(1, BLOCK_CELLS // n_items)
    for start in range(0, n_users, size):
        block = slice(start, start + size)
        scores = score(block)
        scores[played[block].tocoo().coords] = -np.inf
        best = top_k(scores, k)
        found = np.take_along_axis(scores, best, axis=1)
        user, place = np.nonzero(np.isfinite(found))
        yield start + user, place + 1, best[user, place], found[user, place]
