"""Accounting of differential privacy at the cut.

A user's row crosses once a pass: every crossing is a Gaussian mechanism of its own, and they add up. Nothing is gained
by sampling, since both parties know whose row it is. What is accounted is how well the other party, given all rows of
one user, can tell this user's data from any other: rows are clipped, so that two are at most twice the clip apart.
What others' rows tell by way of the weights, which have seen this user's data too, is not accounted.

References
----------
I. Mironov, Rényi differential privacy, CSF 2017. A. Yousefpour et al., Opacus, 2021.
"""

import math

from metric_learning.federated.recipe import FederatedTraining

DELTA = 1e-5
ORDERS = [1 + step / 20 for step in range(1, 200)] + list(range(11, 64)) + [128, 256, 512]


def n_crossings(training: FederatedTraining, *, n_users: int) -> int:
    """Count how often a user's row crosses in a training, at most; `n_users` are those who can be learned from."""
    return math.ceil(training.n_steps / math.ceil(n_users / training.batch_size))


def epsilon(noise_multiplier: float, *, n_rows: int, delta: float = DELTA) -> float:
    """Compute epsilon of (epsilon, delta)-differential privacy of one user's rows.

    Parameters
    ----------
    noise_multiplier
        Deviation of the noise, relative to the clip.
    n_rows
        How many rows of one user cross.
    delta
        The other number.

    Returns
    -------
    epsilon
        Infinite without noise.
    """
    if not noise_multiplier:
        return math.inf
    from opacus.accountants.analysis import rdp  # noqa: PLC0415  (an extra)

    spent = rdp.compute_rdp(q=1.0, noise_multiplier=noise_multiplier / 2, steps=n_rows, orders=ORDERS)
    return float(rdp.get_privacy_spent(orders=ORDERS, rdp=spent, delta=delta)[0])
