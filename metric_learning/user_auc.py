"""AUC by user: how often a track that a user liked lies nearer to them than one that they rejected.

Users and tracks are compared in the cells of their table where there is an opinion, never in all.
"""

import torch
from torch import Tensor

CELLS_TOGETHER = 1 << 18  # of users and tracks that are compared at a time, 80 MB


def cell_similarities(users: Tensor, tracks: Tensor, *, user: Tensor, track: Tensor) -> Tensor:
    """Compare users with tracks in some cells of their table only.

    Parameters
    ----------
    users, tracks : (n_users, dim), (n_tracks, dim)
        Vectors.
    user, track : (n_cells,)
        Row and column of each cell.

    Returns
    -------
    similarity : (n_cells,)
        Inner products.
    """
    blocks = [slice(start, start + CELLS_TOGETHER) for start in range(0, len(user), CELLS_TOGETHER)]
    return torch.cat([(users[user[block]] * tracks[track[block]]).sum(-1) for block in blocks])


def mean_user_auc(similarity: Tensor, user: Tensor, liked: Tensor) -> Tensor:
    """Average over users how often a track that they liked lies above one that they rejected.

    Parameters
    ----------
    similarity : (n_cells,)
        Of a user and a track that they liked or rejected; more is better. Of two that are equal, the first counts as
        the lower.
    user : (n_cells,)
        Row of the user.
    liked : (n_cells,)
        Whether they liked the track.

    Returns
    -------
    auc : ()
        Over users with both; 0.5 where there are none.
    """
    by_similarity = similarity.argsort(stable=True)
    order = by_similarity[user[by_similarity].argsort(stable=True)]
    user, won = user[order], liked[order].double()
    lost = 1 - won
    n_liked, n_rejected = torch.bincount(user, won), torch.bincount(user, lost)
    below = lost.cumsum(0) - lost - (n_rejected.cumsum(0) - n_rejected)[user]  # rejected tracks of the same user
    wins, pairs = torch.bincount(user, won * below), n_liked * n_rejected
    comparable = pairs > 0
    return (wins[comparable] / pairs[comparable]).mean() if bool(comparable.any()) else torch.tensor(0.5)
