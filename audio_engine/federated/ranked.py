"""Lists of tracks for new users, ranked by the multi-task head: log-odds of a like against a skip, and of being played.

Every new user is set against every track, some users at a time; recall by vector needs no such pass.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
import torch
from scipy.sparse import csr_array
from torch import Tensor

from metric_learning.federated.two_tower import TwoTower, UserVectors

SCHEMA = pl.Schema({"user": pl.String, "rank": pl.UInt32, "track": pl.String, "score": pl.Float32})
CELLS = 1 << 22  # of the table of users and tracks that is held at a time


@torch.no_grad()
def ranked_lists(  # noqa: PLR0913  (both sides, and what is left out)
    model: TwoTower,
    users: UserVectors,
    *,
    names: list[str],
    heard: csr_array,
    vectors: Tensor,
    known: Tensor,
    track_ids: list[str],
    k: int,
) -> Iterator[pl.DataFrame]:
    """Find the best tracks of each user, without those that they have heard.

    Parameters
    ----------
    model, users
        Our half, and what it says of the users.
    names
        Of the users.
    heard : (n_users, n_tracks)
        A cell where a user has played a track.
    vectors, known : (n_tracks, dim), (n_tracks,)
        The encoder's, and the row of each track in the model's tables, below 0 where it has none.
    track_ids
        Of the tracks.
    k
        Places in a list.

    Yields
    ------
    lists
        Of some users, as `SCHEMA`: ``user, rank`` (from 1), ``track, score``.
    """
    tracks, ids = model.tracks(vectors, known), pl.Series(track_ids, dtype=pl.String)
    n_together = max(1, CELLS // len(track_ids))
    for start in range(0, len(names), n_together):
        block = slice(start, start + n_together)
        some = UserVectors(recall=users.recall[block], tasks=users.tasks[block])
        scores = model.rank_scores(model.task_logits(some, tracks), tracks)
        rows, columns = heard[block].nonzero()
        scores[torch.from_numpy(rows), torch.from_numpy(columns)] = -torch.inf
        best = scores.topk(min(k, len(track_ids)))
        n_places = best.values.shape[1]
        table = pl.DataFrame(
            {
                "user": np.repeat(names[block], n_places),
                "rank": np.tile(np.arange(1, n_places + 1, dtype=np.uint32), len(some.recall)),
                "track": ids.gather(best.indices.flatten().numpy()),
                "score": best.values.flatten().numpy(),
            },
            schema=SCHEMA,
        )
        yield table.filter(pl.col("score").is_finite())
