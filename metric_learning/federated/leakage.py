"""What a party can read from what crosses the cut: labels from gradients, features from activations.

References
----------
O. Li et al., Label leakage and protection in two-party split learning, ICLR 2022, section 3: the attacks by the length
and by the direction of a gradient.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

N_KNOWN = 10  # positives that the attacker by direction knows
RIDGES = np.logspace(-3, 4, 8)
TINY = 1e-12


def norm_auc(gradients: Floats, is_positive: Bools) -> float:
    """Compute how well the length of a gradient tells the label: an AUC, 0.5 to 1, of whichever order is right.

    Parameters
    ----------
    gradients : (n, cut_dim)
        As the partner saw them.
    is_positive : (n,)
        Labels; both are there.
    """
    auc = float(roc_auc_score(is_positive, np.linalg.norm(gradients, axis=1)))
    return max(auc, 1 - auc)


def direction_auc(gradients: Floats, is_positive: Bools, *, n_known: int = N_KNOWN) -> float:
    """Compute how well the cosine with the mean gradient of a few known positives tells the label of the others.

    Parameters
    ----------
    gradients : (n, cut_dim)
        As the partner saw them, of one step.
    is_positive : (n,)
        Labels; more than `n_known` are positive, and one is not.
    n_known
        Positives that the attacker knows: the first ones.
    """
    known = np.flatnonzero(is_positive)[:n_known]
    unit = gradients / np.maximum(np.linalg.norm(gradients, axis=1, keepdims=True), TINY)
    others = np.ones(len(gradients), np.bool_)
    others[known] = False
    return float(roc_auc_score(is_positive[others], (unit @ unit[known].mean(0))[others]))


def reconstruction(seen: Floats, hidden: Floats) -> float:
    """Compute how much of what is hidden a linear map can tell from what is seen: R², on folds it was not fitted to.

    Parameters
    ----------
    seen : (n, n_seen)
        What a party received of each user.
    hidden : (n, n_hidden)
        What it should not know.

    Returns
    -------
    r2
        Of all columns together, each relative to its variance; 0 or below: nothing.
    """
    scaled = (seen - seen.mean(0)) / np.maximum(seen.std(0), TINY)
    told = cross_val_predict(RidgeCV(alphas=RIDGES), scaled, hidden, cv=5).reshape(hidden.shape)
    return float(1 - ((hidden - told) ** 2).sum() / np.maximum(((hidden - hidden.mean(0)) ** 2).sum(), TINY))
