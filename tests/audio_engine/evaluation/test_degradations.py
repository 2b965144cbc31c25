import numpy as np
import pytest

from audio_engine.decoding.degradations import at_speed, encode_mp3, halves, muffled, noisy, quieter
from features.decode import decode

RATE = 44_100


def tone(frequency, rate=RATE, seconds=2.0):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate).astype(np.float32)


def level_db(waveform):
    return 20 * np.log10(np.sqrt(np.mean(waveform[2_000:-2_000] ** 2)) + 1e-9)


def test_quieter_is_six_decibels_quieter():
    assert level_db(quieter(tone(440))) - level_db(tone(440)) == pytest.approx(-6, abs=0.01)


@pytest.mark.parametrize(("frequency", "expected_db"), [(1_000, 0), (4_000, -3), (8_000, -50)])
def test_muffled_keeps_what_is_low_and_loses_what_is_high(frequency, expected_db):
    gain_db = level_db(muffled(tone(frequency), RATE)) - level_db(tone(frequency))
    assert gain_db < -45 if expected_db < -45 else gain_db == pytest.approx(expected_db, abs=0.2)


def test_mp3_keeps_a_tone_and_its_length():
    heard = decode(encode_mp3(tone(440), RATE), 22_050)
    assert heard.dtype == np.float32
    assert heard.size == pytest.approx(2 * 22_050, abs=0.1 * 22_050)
    assert level_db(heard) == pytest.approx(level_db(tone(440)), abs=0.5)
    assert np.abs(np.fft.rfft(heard)).argmax() * 22_050 / heard.size == pytest.approx(440, abs=1)


def test_mp3_at_this_bit_rate_loses_what_is_highest():
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    power = np.abs(np.fft.rfft(decode(encode_mp3(noise, RATE), RATE))) ** 2
    hertz = np.linspace(0, RATE / 2, power.size)
    assert power[hertz > 19_500].mean() < 0.001 * power[(hertz > 2_000) & (hertz < 4_000)].mean()


def test_mp3_takes_sound_that_is_too_loud():
    assert np.isfinite(decode(encode_mp3(4 * tone(440), RATE), RATE)).all()


def test_halves_share_no_sample_and_lose_none():
    waveform = tone(440)[:1_001]
    first, second = halves(waveform)
    assert np.array_equal(np.concatenate([first, second]), waveform)
    assert abs(first.size - second.size) <= 1


def test_a_faster_turntable_is_higher_and_shorter():
    faster = at_speed(tone(1_000), RATE, 1.02)
    assert faster.size == pytest.approx(2 * RATE / 1.02, abs=2)
    peak = np.abs(np.fft.rfft(faster)).argmax() * RATE / faster.size
    assert peak == pytest.approx(1_020, abs=1)


def test_noise_is_twenty_decibels_below_the_sound_and_the_same_for_a_seed():
    noise = noisy(tone(440), seed=3) - tone(440)
    assert level_db(tone(440)) - level_db(noise) == pytest.approx(20, abs=0.1)
    assert np.array_equal(noisy(tone(440), seed=3), noisy(tone(440), seed=3))
