"""The audio encoder: its invariances, and its statistics against plain loops."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from metric_learning.encoder import AudioEncoder, PatchFilters
from metric_learning.encoder_config import MODULATION_EDGES_HZ, EncoderConfig, relative_level
from metric_learning.segment_statistics import LEVEL_EPS, POWER_EPS, segment_statistics

CONFIG = EncoderConfig(n_mels=48, n_whitened=20, n_filters=12, n_correlation_bands=8, n_modulation_bands=6)
N_FRAMES = 130


def some_log_mel(n_tracks: int = 3, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3.0 * torch.randn(n_tracks, 4, CONFIG.n_mels, N_FRAMES, generator=generator) - 4.0


@pytest.fixture(scope="module")
def encoder() -> AudioEncoder:
    torch.manual_seed(0)
    return AudioEncoder(CONFIG).eval()


def test_vectors_have_unit_length(encoder: AudioEncoder) -> None:
    vectors = encoder(some_log_mel())
    assert vectors.shape == (3, 40)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))


def test_a_track_gives_the_same_vector_alone_and_in_a_batch(encoder: AudioEncoder) -> None:
    log_mel = some_log_mel(7)
    together = encoder(log_mel)
    alone = torch.cat([encoder(log_mel[k : k + 1]) for k in range(7)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0.0)


def test_a_track_gives_the_same_vector_on_any_number_of_threads(encoder: AudioEncoder) -> None:
    log_mel, n_threads = some_log_mel(), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = encoder(log_mel)
        torch.set_num_threads(4)
        four = encoder(log_mel)
    finally:
        torch.set_num_threads(n_threads)
    torch.testing.assert_close(one, four, atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("gain_db", [-30.0, -6.0, 6.0])
def test_gain_does_not_move_a_vector(encoder: AudioEncoder, gain_db: float) -> None:
    log_mel = some_log_mel()
    louder = log_mel + gain_db * np.log(10.0) / 10.0
    torch.testing.assert_close(encoder(log_mel), encoder(louder), atol=1e-5, rtol=0.0)


def test_the_order_of_segments_does_not_move_a_vector(encoder: AudioEncoder) -> None:
    log_mel = some_log_mel()
    torch.testing.assert_close(encoder(log_mel), encoder(log_mel.flip(1)), atol=1e-5, rtol=0.0)


def test_silence_gives_a_finite_unit_vector(encoder: AudioEncoder) -> None:
    vector = encoder(torch.full((1, 4, CONFIG.n_mels, N_FRAMES), -16.0))
    assert torch.isfinite(vector).all()
    torch.testing.assert_close(vector.norm(dim=1), torch.ones(1))


def test_every_weight_gets_a_gradient() -> None:
    encoder = AudioEncoder(CONFIG)
    encoder(some_log_mel())[:, 0].sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_a_silent_track_gives_finite_gradients() -> None:
    encoder = AudioEncoder(CONFIG)
    log_mel = torch.full((1, 4, CONFIG.n_mels, N_FRAMES), -16.0, requires_grad=True)
    encoder(log_mel)[:, 0].sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters() if p.grad is not None)


def test_the_config_tells_the_size_of_each_part(encoder: AudioEncoder) -> None:
    level = relative_level(some_log_mel(), CONFIG).flatten(0, 1)
    assert segment_statistics(level, CONFIG).shape == (12, CONFIG.n_statistics)
    assert encoder.filters(level).shape == (12, CONFIG.n_responses)
    assert encoder.encode_segments(level).shape == (12, CONFIG.segment_dim)


def test_level_is_one_at_the_loudest_cell_and_zero_where_unheard() -> None:
    log_mel = torch.full((1, 2, 20, 4), -30.0)
    log_mel[0, 1, 12, 3] = 2.0
    log_mel[0, 0, 0, 0] = 2.0 - 4.0 * np.log(10.0)  # 40 dB below
    level = relative_level(log_mel, EncoderConfig(n_mels=20, emphasis_db=0.0, dynamic_range_db=80.0))
    assert level[0, 1, 12, 3] == 1.0
    assert level[0, 0, 0, 0] == pytest.approx(0.5, abs=1e-6)
    assert level.sum() == pytest.approx(1.5, abs=1e-5)


def test_emphasis_lifts_the_highest_band_over_the_lowest() -> None:
    level = relative_level(torch.zeros(1, 2, CONFIG.n_mels, 4), CONFIG)
    assert level[0, 0, -1, 0] == 1.0
    assert level[0, 0, 0, 0] == pytest.approx(1.0 - CONFIG.emphasis_db / CONFIG.dynamic_range_db, abs=1e-6)


def test_a_band_that_beats_twice_a_second_shows_at_two_hertz() -> None:
    seconds = torch.arange(N_FRAMES) / CONFIG.frame_rate
    level = torch.full((1, CONFIG.n_mels, N_FRAMES), 0.5)
    level[0, 8:16] += 0.2 * torch.sin(2 * torch.pi * 2.2 * seconds)  # the second of six modulation bands
    statistics = segment_statistics(level, CONFIG)[0]
    n_rates = len(MODULATION_EDGES_HZ) - 1
    n_pairs = CONFIG.n_correlation_bands * (CONFIG.n_correlation_bands - 1) // 2
    modulation = statistics[-2 * n_pairs - 6 * n_rates : -2 * n_pairs].view(6, n_rates)
    assert divmod(int(modulation.argmax()), n_rates) == (1, MODULATION_EDGES_HZ.index(2.0))


def test_statistics_agree_with_plain_loops() -> None:
    level = relative_level(some_log_mel(1), CONFIG)[0]
    fast = segment_statistics(level, CONFIG).numpy()
    slow = np.stack([slow_statistics(segment) for segment in level.double().numpy()])
    np.testing.assert_allclose(fast, slow, atol=2e-4)


def test_filters_agree_with_plain_loops() -> None:
    torch.manual_seed(1)
    filters = PatchFilters(CONFIG)
    level = relative_level(some_log_mel(1), CONFIG)[0, :1]
    fast = filters(level)[0].detach().numpy()
    np.testing.assert_allclose(fast, slow_filters(filters, level[0].double().numpy()), atol=2e-4)


@pytest.mark.parametrize(
    ("name", "value"),
    [("dim", 0), ("n_filters", 0), ("n_mels", 4), ("frame_rate", 0.0), ("patch_stride", (0, 4)), ("n_regions", 0)],
)
def test_a_wrong_number_is_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name.split("_", maxsplit=1)[0]):
        EncoderConfig(**{name: value})  # type: ignore[arg-type]


def slow_statistics(level: np.ndarray) -> np.ndarray:
    """`segment_statistics` of one segment, a band at a time."""
    n_mels, n_frames = level.shape
    short, long = level[:, 2:] - level[:, :-2], level[:, 8:] - level[:, :-8]
    ordered = np.sort(level, axis=1)
    parts = [level.mean(1), level.std(1, ddof=1)]
    parts += [ordered[:, round(share * (n_frames - 1))] for share in (0.1, 0.5, 0.9)]
    parts += [short.std(1, ddof=1), np.maximum(short, 0.0).mean(1), long.std(1, ddof=1)]
    for half in (1, 2, 4, 8):
        fine = np.array([level[m] - level[max(0, m - half) : m + half + 1].mean(0) for m in range(n_mels)])
        held = np.array([fine[:, t : t + 5].mean(1) for t in range(n_frames - 4)]).T
        parts += [fine.mean(1), fine.std(1, ddof=1), held.std(1, ddof=1)]
    rates = np.fft.rfftfreq(n_frames, 1.0 / CONFIG.frame_rate)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_frames) / n_frames)
    for band in equal_bands(level, CONFIG.n_modulation_bands):
        power = np.abs(np.fft.rfft((band - band.mean()) * window)) ** 2 / n_frames
        for low, high in pairwise(MODULATION_EDGES_HZ):
            inside = (rates >= low) & (rates < high)
            mean = power[inside].mean() if inside.any() else power[np.abs(rates - low).argmin()]
            parts.append(np.array([np.log(mean + POWER_EPS)]))
    bands = equal_bands(level, CONFIG.n_correlation_bands)
    for moving in (bands, bands[:, 2:] - bands[:, :-2]):
        n_used = moving.shape[1]
        apart = moving - moving.mean(1, keepdims=True)
        deviation = np.sqrt((apart**2).sum(1) / n_used) + LEVEL_EPS
        for i in range(len(bands)):
            for j in range(i + 1, len(bands)):
                parts.append(np.array([(apart[i] * apart[j]).sum() / n_used / deviation[i] / deviation[j]]))
    return np.concatenate(parts)


def equal_bands(level: np.ndarray, n_bands: int) -> np.ndarray:
    edges = [(k * len(level) // n_bands, -(-(k + 1) * len(level) // n_bands)) for k in range(n_bands)]
    return np.array([level[low:high].mean(0) for low, high in edges])


def slow_filters(filters: PatchFilters, level: np.ndarray) -> np.ndarray:
    """`PatchFilters` of one segment, a patch at a time."""
    whitening = filters.whitening.weight.detach().double().numpy().reshape(CONFIG.n_whitened, -1)
    bias = filters.whitening.bias.detach().double().numpy()
    dictionary = filters.dictionary.weight.detach().double().numpy().reshape(CONFIG.n_filters, -1)
    bands = range(0, CONFIG.n_mels - CONFIG.patch_height + 1, CONFIG.patch_stride[0])
    frames = range(0, level.shape[1] - CONFIG.patch_width + 1, CONFIG.patch_stride[1])
    heard = np.zeros((CONFIG.n_filters, len(bands), len(frames)))
    for i, band in enumerate(bands):
        for j, frame in enumerate(frames):
            patch = level[band : band + CONFIG.patch_height, frame : frame + CONFIG.patch_width].ravel()
            white = whitening @ ((patch - patch.mean()) / (patch.std() + 0.05)) + bias
            cosine = dictionary @ (white / max(np.linalg.norm(white), 1e-6))
            heard[:, i, j] = np.maximum(cosine - CONFIG.threshold, 0.0)
    pooled = []
    for region in np.array_split(heard, CONFIG.n_regions, axis=1):
        over_bands = region.mean(1)
        pooled += [over_bands.mean(1), region.max(1).mean(1), over_bands.std(1)]
    return np.sqrt(np.maximum(np.concatenate(pooled), 1e-12))
