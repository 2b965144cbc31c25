"""Pretraining on synthesised sounds: it learns, is reproducible, and refuses invalid input."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from metric_learning.augment import augment, low_pass
from metric_learning.discriminant import discriminant
from metric_learning.encoder import AudioEncoder
from metric_learning.encoder_config import EncoderConfig
from metric_learning.filter_learning import spherical_k_means
from metric_learning.pretrain import pretrain
from metric_learning.pretrain_config import PretrainConfig
from metric_learning.principal_components import principal_components

ENCODER = EncoderConfig(
    n_mels=40, n_whitened=16, n_filters=12, n_correlation_bands=6, n_modulation_bands=5, teachers=(), dim=8
)
QUICK = PretrainConfig(n_patches=20, n_versions=1, n_components=20)
N_MAKERS, N_EACH = 6, 8


def made_tracks(seed: int) -> tuple[torch.Tensor, list[str]]:
    """Noise whose maker sets, faintly, the tilt of the spectrum and the rate of a beat; all else differs by track."""
    generator = torch.Generator().manual_seed(seed)
    bands, seconds = torch.linspace(-1.0, 1.0, ENCODER.n_mels), torch.arange(100) / ENCODER.frame_rate
    log_mels, makers = [], []
    for maker in range(N_MAKERS):
        for _ in range(N_EACH):
            curve = (
                1.5
                * torch.randn(1, generator=generator)
                * torch.sin(3.0 * bands + 6.0 * torch.rand(1, generator=generator))
            )
            beat = 0.5 * torch.sin(
                2.0 * torch.pi * (1.0 + maker % 3 * 2.2) * seconds + 6.0 * torch.rand(2, 1, generator=generator)
            )
            spectrum = curve + (maker // 3) * bands
            noise = torch.randn(2, ENCODER.n_mels, 100, generator=generator)
            log_mels.append(spectrum[None, :, None] + beat[:, None, :] + noise)
            makers.append(f"maker {maker}")
    return torch.stack(log_mels), makers


def precision_at_5(vectors: torch.Tensor, makers: list[str]) -> float:
    similarity = vectors @ vectors.T - 2.0 * torch.eye(len(vectors))
    nearest = similarity.topk(5, dim=1).indices.tolist()
    return float(np.mean([makers[j] == maker for row, maker in zip(nearest, makers, strict=True) for j in row]))


def embed(encoder: AudioEncoder, log_mels: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return encoder(log_mels)


@pytest.fixture(scope="module")
def trained() -> AudioEncoder:
    return pretrain(*made_tracks(0), encoder_config=ENCODER, config=QUICK)


def test_training_brings_new_tracks_of_one_maker_together(trained: AudioEncoder) -> None:
    log_mels, makers = made_tracks(1)
    torch.manual_seed(0)
    fresh = AudioEncoder(ENCODER).eval()
    before = precision_at_5(embed(fresh, log_mels), makers)
    after = precision_at_5(embed(trained, log_mels), makers)
    assert after > before + 0.1
    assert after > 2.0 / N_MAKERS


def test_the_same_seed_gives_the_same_encoder(trained: AudioEncoder) -> None:
    again = pretrain(*made_tracks(0), encoder_config=ENCODER, config=QUICK)
    log_mels = made_tracks(2)[0]
    torch.testing.assert_close(embed(again, log_mels), embed(trained, log_mels), atol=1e-5, rtol=0.0)


def test_another_seed_gives_other_filters(trained: AudioEncoder) -> None:
    config = PretrainConfig(n_patches=20, n_versions=1, n_components=20, seed=1)
    other = pretrain(*made_tracks(0), encoder_config=ENCODER, config=config)
    assert not torch.equal(other.filters.dictionary.weight, trained.filters.dictionary.weight)


def test_half_precision_mels_give_nearly_the_same_encoder(trained: AudioEncoder) -> None:
    log_mels, makers = made_tracks(0)
    half = pretrain(log_mels.half(), makers, encoder_config=ENCODER, config=QUICK)
    new, makers = made_tracks(1)
    assert precision_at_5(embed(half, new), makers) == pytest.approx(
        precision_at_5(embed(trained, new), makers), abs=0.1
    )


def test_one_maker_teaches_nothing_and_is_refused() -> None:
    log_mels, makers = made_tracks(0)
    with pytest.raises(ValueError, match="makers must be at least two"):
        pretrain(log_mels, ["one"] * len(makers), encoder_config=ENCODER)


def test_a_missing_maker_is_refused() -> None:
    log_mels, makers = made_tracks(0)
    with pytest.raises(ValueError, match="makers must name one for each"):
        pretrain(log_mels, makers[:-1], encoder_config=ENCODER)


def test_features_of_another_encoder_are_kept() -> None:
    torch.manual_seed(3)
    config = EncoderConfig(**{**ENCODER.__dict__, "teachers": (3, 2), "taught_width": 6})
    start = AudioEncoder(config)
    log_mels, makers = made_tracks(0)
    coded = log_mels + 0.01
    encoder = pretrain(log_mels, makers, encoder_config=config, others=coded, start_from=start, config=QUICK)
    kept = {name for name, tensor in encoder.state_dict().items() if torch.equal(tensor, start.state_dict()[name])}
    assert kept == {name for name in start.state_dict() if name.startswith(("filters.", "taught."))}
    new, makers = made_tracks(1)
    assert precision_at_5(embed(encoder, new), makers) > 2.0 / N_MAKERS


def test_a_few_tracks_are_enough_to_run() -> None:
    log_mels, makers = made_tracks(0)
    encoder = pretrain(log_mels[::12], makers[::12], encoder_config=ENCODER, config=QUICK)
    vectors = embed(encoder, log_mels)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)))


def test_k_means_finds_three_bundles_of_directions() -> None:
    generator = torch.Generator().manual_seed(0)
    bundles = torch.eye(3).repeat_interleave(50, dim=0) + 0.05 * torch.randn(150, 3, generator=generator)
    centres = spherical_k_means(torch.nn.functional.normalize(bundles, dim=1), 8, generator=generator)
    torch.testing.assert_close((torch.eye(3) @ centres.T).amax(1), torch.ones(3), atol=0.02, rtol=0.0)
    torch.testing.assert_close(centres.norm(dim=1), torch.ones(8))


def test_the_discriminant_keeps_what_tells_classes_apart_and_drops_what_does_not() -> None:
    random = np.random.default_rng(0)
    classes = np.arange(6).repeat(30)
    points = random.standard_normal((180, 5)) * (1.0, 5.0, 1.0, 1.0, 1.0)  # the second axis is loud and says nothing
    points[:, 0] += 4.0 * classes
    points -= points.mean(0)
    weight = discriminant(points[None], classes, dim=1, config=PretrainConfig(n_components=5, shrinkage=0.05))
    along = np.abs(weight[:, 0]) * points.std(0)
    assert along[0] > 5.0 * along[1:].max()


def test_components_by_covariance_are_those_by_gram_matrix_but_for_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metric_learning.row_blocks.BLOCK_ROWS", 7)
    points = np.random.default_rng(0).standard_normal((40, 12)) * np.arange(1, 13) + 3.0
    found = principal_components(points, 5)
    padded = np.concatenate([points, np.zeros((40, 40))], axis=1)  # more features than points: the Gram matrix
    expected = principal_components(padded, 5)
    np.testing.assert_allclose(np.abs((found * expected[:12]).sum(0)), 1.0, atol=1e-9)
    np.testing.assert_allclose(expected[12:], 0.0, atol=1e-9)
    variances = PCA(5).fit(points).explained_variance_
    scores = (points - points.mean(0)) @ found
    np.testing.assert_allclose(scores.var(0, ddof=1), variances)


def test_versions_turn_down_the_directions_in_which_they_differ() -> None:
    random = np.random.default_rng(0)
    classes = np.arange(10).repeat(10)
    points = random.standard_normal((100, 4)) + 3.0 * random.standard_normal((10, 4))[classes]
    points -= points.mean(0)
    moved = points + random.standard_normal(points.shape) * (10.0, 0.0, 0.0, 0.0)
    config = PretrainConfig(n_components=4, shrinkage=0.05, version_weight=1.0)
    alone = np.linalg.norm(discriminant(points[None], classes, dim=4, config=config), axis=1)
    versed = np.linalg.norm(discriminant(np.stack([points, moved]), classes, dim=4, config=config), axis=1)
    assert versed[0] / versed[1] < 0.3 * alone[0] / alone[1]


def test_augmentation_repeats_with_its_seed_and_changes_the_sound() -> None:
    log_mels = made_tracks(0)[0][:4]
    one = augment(log_mels, torch.Generator().manual_seed(5))
    assert one.shape == log_mels.shape
    assert torch.equal(one, augment(log_mels, torch.Generator().manual_seed(5)))
    assert not torch.equal(one, augment(log_mels, torch.Generator().manual_seed(6)))
    assert not torch.equal(one, log_mels)


def test_a_low_pass_leaves_low_bands_alone_and_takes_high_ones_away() -> None:
    gain = low_pass(50, 128, generator=torch.Generator().manual_seed(0))
    assert (gain[:, : int(0.45 * 128)] == 0.0).all()
    assert (gain[:, -1] < 0.0).float().mean() > 0.9
    assert (gain.diff(dim=1) <= 0.0).all()
