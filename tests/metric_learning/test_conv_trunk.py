"""The convolutional trunk: its shapes, and that it describes each segment alone."""

import pytest
import torch

from metric_learning.conv_trunk import ConvTrunk
from metric_learning.encoder_config import EncoderConfig

SMALL = EncoderConfig(trunk_channels=(4, 4, 6, 8), trunk_width=10, teachers=(7, 5))


@pytest.mark.parametrize(("n_mels", "n_frames"), [(128, 130), (40, 100), (17, 9)])
def test_it_gives_as_many_numbers_as_it_has_learned_from_each_teacher(n_mels: int, n_frames: int) -> None:
    config = EncoderConfig(**{**SMALL.__dict__, "n_mels": max(n_mels, 20)})
    found = ConvTrunk(config)(torch.rand(3, config.n_mels, n_frames))
    assert found.shape == (3, 12)


def test_a_segment_has_the_same_description_alone() -> None:
    torch.manual_seed(0)
    trunk, level = ConvTrunk(SMALL), torch.rand(5, 128, 130)
    with torch.no_grad():
        torch.testing.assert_close(trunk(level), torch.cat([trunk(each[None]) for each in level]), atol=1e-5, rtol=0.0)


def test_a_silent_segment_has_finite_gradients() -> None:
    trunk = ConvTrunk(SMALL)
    trunk(torch.zeros(2, 128, 130)).sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in trunk.parameters() if parameter.grad is not None)
