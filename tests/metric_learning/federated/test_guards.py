"""Noise at the cut: what it hides, and what it leaves."""

import numpy as np
import pytest
import torch

from metric_learning.federated.guards import blur, guarded, marvell, max_norm
from metric_learning.federated.leakage import direction_auc, norm_auc, reconstruction
from metric_learning.federated.recipe import FederatedTraining


def make_gradients(*, n: int = 4000, dim: int = 8, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Make gradients as log loss has them: a positive's is longer, and points the other way."""
    generator = torch.Generator().manual_seed(seed)
    is_positive = torch.rand(n, generator=generator) < 0.2
    sign = torch.where(is_positive, 0.8, -0.2).unsqueeze(1)
    line = torch.randn(dim, generator=generator)
    return sign * (line + 0.5 * torch.randn(n, dim, generator=generator)), is_positive


def aucs(gradients: torch.Tensor, is_positive: torch.Tensor) -> tuple[float, float]:
    """Attack by length and by direction."""
    seen, labels = gradients.numpy(), is_positive.numpy()
    return norm_auc(seen, labels), direction_auc(seen, labels)


def test_unguarded_gradients_tell_the_label_by_length_and_by_direction() -> None:
    by_norm, by_direction = aucs(*make_gradients())
    assert by_norm > 0.95
    assert by_direction > 0.95


def test_max_norm_hides_the_length() -> None:
    gradients, is_positive = make_gradients()
    noisy = max_norm(gradients, generator=torch.Generator().manual_seed(1))
    by_norm, _ = aucs(noisy, is_positive)
    assert by_norm < 0.75
    lengths = noisy.square().sum(1)
    longest = gradients.square().sum(1).max()
    assert float(lengths[~is_positive].mean()) == pytest.approx(float(longest), rel=0.15)  # as long as the longest
    cosine = torch.nn.functional.cosine_similarity(noisy, gradients)
    torch.testing.assert_close(cosine.abs(), torch.ones(len(cosine)))  # and only along itself


def test_marvell_hides_more_the_more_power_it_has() -> None:
    gradients, is_positive = make_gradients()
    found = []
    for power in (1.0, 4.0, 16.0):
        noisy = marvell(gradients, is_positive, power=power, generator=torch.Generator().manual_seed(2))
        found.append(aucs(noisy, is_positive))
    by_norm, by_direction = np.array(found).T
    assert (np.diff(by_direction) < 0).all()
    assert by_direction[-1] < 0.7
    assert by_norm[-1] < 0.65


def test_marvell_spends_its_power_and_no_more() -> None:
    gradients, is_positive = make_gradients(n=20_000)
    noise = marvell(gradients, is_positive, power=4.0, generator=torch.Generator().manual_seed(3)) - gradients
    between = gradients[is_positive].mean(0) - gradients[~is_positive].mean(0)
    assert float(noise.square().sum(1).mean()) == pytest.approx(4.0 * float(between.square().sum()), rel=0.05)


def test_marvell_leaves_a_batch_of_one_label_alone() -> None:
    gradients, _ = make_gradients(n=10)
    kept = marvell(gradients, torch.ones(10, dtype=torch.bool), power=4.0, generator=torch.Generator())
    assert torch.equal(kept, gradients)


def test_blur_clips_and_adds_noise_of_the_stated_deviation() -> None:
    rows = torch.tensor([[3.0, 4.0]]).repeat(50_000, 1)
    blurred = blur(rows, longest=0.5, noise_multiplier=2.0, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(blurred.mean(0), torch.tensor([0.3, 0.4]), atol=0.02, rtol=0)
    assert float(blurred.std(0).mean()) == pytest.approx(1.0, rel=0.02)
    short = torch.tensor([[0.1, 0.0]])
    assert torch.equal(blur(short, longest=0.5, noise_multiplier=0.0, generator=torch.Generator()), short)


def test_no_guard_changes_nothing() -> None:
    gradients, is_positive = make_gradients(n=10)
    assert torch.equal(guarded(gradients, is_positive, FederatedTraining(), torch.Generator()), gradients)


def test_reconstruction_is_whole_for_a_linear_map_and_nothing_for_noise() -> None:
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(300, 3))
    assert reconstruction(hidden @ rng.normal(size=(3, 5)), hidden) > 0.99
    assert reconstruction(rng.normal(size=(300, 5)), hidden) < 0.05
