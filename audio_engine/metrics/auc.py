"""Area under the ROC curve: how often a positive ranks above a negative, a tie counting half.

References
----------
J. Hanley, B. McNeil, The meaning and use of the area under a ROC curve, Radiology 1982: the Mann-Whitney form. H. Zhu
et al., Optimized cost per click in Taobao display advertising, KDD 2017, section 5: user by user.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def auc_by_group(
    groups: NDArray[np.integer],
    is_positive: Bools,
    scores: NDArray[np.floating],
    *,
    n_groups: int,
    weights: Iterable[Floats] | None = None,
) -> Floats:
    """Compute the AUC of each group, over again for each of some weights.

    Parameters
    ----------
    groups, is_positive, scores : (n,)
        Of each thing: the number of its group; what it is set against the others for; more is better.
    n_groups
        How many there are.
    weights
        One (n,) after another, such as how often each thing is in a resample; None: each counts once.

    Returns
    -------
    auc : (n_weights, n_groups)
        NaN where a group has no positive or no negative of any weight.

    Examples
    --------
    >>> auc_by_group(np.array([0, 0, 0]), np.array([True, False, True]), np.array([3.0, 2.0, 1.0]), n_groups=2)
    array([[0.5, nan]])
    """
    order = np.lexsort((scores, groups))
    groups, is_positive, scores = groups[order], is_positive[order], scores[order]
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (groups[1:] != groups[:-1]) | (scores[1:] != scores[:-1])
    starts = np.flatnonzero(is_new)  # of equals within a group
    group = groups[starts]
    found = []
    for weight in [np.ones(len(order))] if weights is None else weights:
        ordered = weight[order]
        up, down = (np.add.reduceat(ordered * side, starts) for side in (is_positive, ~is_positive))
        n_up, n_down = (np.bincount(group, side, n_groups) for side in (up, down))
        below = np.cumsum(down) - down / 2 - (np.cumsum(n_down) - n_down)[group]
        wins, pairs = np.bincount(group, up * below, n_groups), n_up * n_down
        found.append(np.divide(wins, pairs, out=np.full(n_groups, np.nan), where=pairs > 0))
    return np.array(found)


def auc_by_row(similarity: NDArray[np.floating], positive: Bools, negative: Bools) -> Floats:
    """Compute the AUC of each row of a table.

    Parameters
    ----------
    similarity : (n_rows, n_columns)
        More is better.
    positive, negative : (n_rows, n_columns)
        The two classes; cells in neither are ignored.

    Returns
    -------
    auc : (n_rows,)
        NaN if a row has no positive or no negative.

    Examples
    --------
    >>> auc_by_row(np.array([[3.0, 2.0, 1.0]]), np.array([[True, False, True]]), np.array([[False, True, False]]))
    array([0.5])
    """
    rows, columns = np.nonzero(positive | negative)
    found: Floats = auc_by_group(rows, positive[rows, columns], similarity[rows, columns], n_groups=len(similarity))[0]
    return found
