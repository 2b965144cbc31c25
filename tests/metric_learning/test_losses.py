import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from metric_learning.losses import hinge_loss, pairwise_loss, softmax_loss

LOSSES: list[Callable[..., Tensor]] = [hinge_loss, softmax_loss, pairwise_loss]


def triplets(n: int = 4, batch: int = 6, dim: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n)
    draw = [torch.randn(shape, generator=generator) for shape in ((batch, dim), (batch, dim), (batch, n, dim))]
    user, liked, disliked = (F.normalize(vectors, dim=-1) for vectors in draw)
    return user, liked, disliked


def dot(a: Tensor, b: Tensor) -> float:
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("n", [1, 4, 16])
def test_the_hinge_agrees_with_its_slow_twin(n: int) -> None:
    user, liked, disliked = triplets(n)
    terms = [
        max(0.0, 0.2 - dot(user[i], liked[i]) + dot(user[i], disliked[i, j]))
        for i in range(len(user))
        for j in range(n)
    ]
    assert float(hinge_loss(user, liked, disliked, margin=0.2)) == pytest.approx(sum(terms) / len(terms), abs=1e-6)


@pytest.mark.parametrize("n", [1, 4, 16])
def test_the_softmax_agrees_with_its_slow_twin(n: int) -> None:
    user, liked, disliked = triplets(n)
    total = 0.0
    for i in range(len(user)):
        good = math.exp(dot(user[i], liked[i]) / 0.1)
        bad = sum(math.exp(dot(user[i], disliked[i, j]) / 0.1) for j in range(n))
        total -= math.log(good / (good + bad))
    assert float(softmax_loss(user, liked, disliked, temperature=0.1)) == pytest.approx(total / len(user), rel=1e-5)


@pytest.mark.parametrize("n", [1, 4, 16])
def test_the_pairwise_loss_agrees_with_its_slow_twin(n: int) -> None:
    user, liked, disliked = triplets(n)
    terms = [
        math.log(1 + math.exp((dot(user[i], disliked[i, j]) - dot(user[i], liked[i])) / 0.1))
        for i in range(len(user))
        for j in range(n)
    ]
    found = float(pairwise_loss(user, liked, disliked, temperature=0.1))
    assert found == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def test_softmax_and_pairwise_loss_are_one_where_there_is_one_negative() -> None:
    assert torch.allclose(softmax_loss(*triplets(1)), pairwise_loss(*triplets(1)))


@pytest.mark.parametrize("loss", LOSSES)
def test_a_missing_negative_counts_for_nothing(loss: Callable[..., Tensor]) -> None:
    user, liked, disliked = triplets(3)
    present = torch.tensor([[True, True, False]]).expand(len(user), 3)
    assert torch.allclose(loss(user, liked, disliked, present=present), loss(user, liked, disliked[:, :2]))
    assert float(loss(user, liked, disliked, present=torch.zeros_like(present))) == 0.0


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_down_the_loss_brings_the_liked_track_nearer(loss: Callable[..., Tensor]) -> None:
    user, liked, disliked = triplets(4)
    before = loss(user, liked.requires_grad_(), disliked)
    (slope,) = torch.autograd.grad(before, liked)
    after = loss(user, F.normalize(liked.detach() - 0.1 * slope, dim=-1), disliked)
    assert after < before


def test_shapes_that_do_not_fit_are_named() -> None:
    user, liked, disliked = triplets(4)
    with pytest.raises(ValueError, match=r"got \(6, 5\), \(5, 5\)"):
        hinge_loss(user, liked[:5], disliked)
