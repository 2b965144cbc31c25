"""Losses of metric learning: one liked track against n disliked ones, as cosines to a user's vector.

All vectors are of unit length, so an inner product is a cosine. A negative may be missing (``present`` false): it is
then ignored, and so is a user without any.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

MARGIN = 0.2  # cosine, the margin of DCUE
TEMPERATURE = 0.1  # cosines are divided by it before the softmax


def hinge_loss(
    user: Tensor, liked: Tensor, disliked: Tensor, *, margin: float = MARGIN, present: Tensor | None = None
) -> Tensor:
    """Penalise a disliked track that is not further from the user than the liked one by a margin.

    Parameters
    ----------
    user : (batch, dim)
        Unit vectors of users.
    liked : (batch, dim)
        Unit vector of one track that each of them liked.
    disliked : (batch, n, dim)
        Unit vectors of n tracks that each of them did not like.
    margin
        In cosine.
    present : (batch, n)
        False where a negative is missing; None: all are there.

    Returns
    -------
    loss : ()
        ``mean(max(0, margin - cos(user, liked) + cos(user, disliked)))``.

    References
    ----------
    J. Lee, K. Lee, J. Park, J. Park, J. Nam, Deep content-user embedding model for music recommendation, DLRS 2018,
    eq. 1; summed over negatives there, averaged here so that n does not change the step.
    """
    gap = similarity_gap(user, liked, disliked)
    return _mean(F.relu(margin - gap), present)


def softmax_loss(
    user: Tensor, liked: Tensor, disliked: Tensor, *, temperature: float = TEMPERATURE, present: Tensor | None = None
) -> Tensor:
    """Cross-entropy of the liked track among the 1 + n, by a softmax over cosines.

    Parameters
    ----------
    user, liked, disliked, present
        As in `hinge_loss`.
    temperature
        Cosines are divided by it: the smaller, the more the nearest negative dominates.

    Returns
    -------
    loss : ()
        ``mean(-log(exp(cos(user, liked) / t) / sum over 1 + n of exp(cos / t)))``.

    References
    ----------
    A. van den Oord, Y. Li, O. Vinyals, Representation learning with contrastive predictive coding, 2018, eq. 4; with
    the user in place of the context, as in Y. Wei et al., Contrastive learning for cold-start recommendation (CLCRec),
    ACM MM 2021, eq. 8.
    """
    gap = -similarity_gap(user, liked, disliked) / temperature
    if present is not None:
        gap = gap.masked_fill(~present, -torch.inf)
    loss = torch.logsumexp(F.pad(gap, (1, 0)), dim=-1)
    return _mean(loss, None if present is None else present.any(-1))


def pairwise_loss(
    user: Tensor, liked: Tensor, disliked: Tensor, *, temperature: float = TEMPERATURE, present: Tensor | None = None
) -> Tensor:
    """Logistic loss on the liked track against each disliked one: a smooth surrogate for 1 - AUC.

    Parameters
    ----------
    user, liked, disliked, present
        As in `hinge_loss`.
    temperature
        Cosines are divided by it.

    Returns
    -------
    loss : ()
        ``mean(log(1 + exp((cos(user, disliked) - cos(user, liked)) / t)))``.

    References
    ----------
    S. Rendle, C. Freudenthaler, Z. Gantner, L. Schmidt-Thieme, BPR: Bayesian personalized ranking from implicit
    feedback, UAI 2009, section 4; cosines over a temperature in place of unbounded inner products.
    """
    return _mean(F.softplus(-similarity_gap(user, liked, disliked) / temperature), present)


def similarity_gap(user: Tensor, liked: Tensor, disliked: Tensor) -> Tensor:
    """Compute by how much the liked track is nearer to the user than each disliked one.

    Parameters
    ----------
    user, liked, disliked
        As in `hinge_loss`.

    Returns
    -------
    gap : (batch, n)
        Difference of cosines, in [-2, 2].

    Raises
    ------
    ValueError
        When the shapes do not match.
    """
    if user.shape != liked.shape or disliked.shape[:1] + disliked.shape[2:] != user.shape:
        raise ValueError(
            "user, liked and disliked must have shapes (batch, dim), (batch, dim) and (batch, n, dim), got "
            f"{tuple(user.shape)}, {tuple(liked.shape)} and {tuple(disliked.shape)}"
        )
    return (user * liked).sum(-1, keepdim=True) - torch.einsum("bd,bnd->bn", user, disliked)


def _mean(loss: Tensor, present: Tensor | None) -> Tensor:
    """Average over what is present; 0 where nothing is."""
    if present is None:
        return loss.mean()
    return torch.where(present, loss, 0.0).sum() / present.sum().clamp(min=1)
