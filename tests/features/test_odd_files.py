"""Odd sounds have the vector of what is heard in them: turned phase, silence, spikes, another scale."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from features.decode import decode, decode_segments
from features.decode_errors import DecodeError
from features.peaks import read_peaks
from metric_learning.embedder import Embedder
from tests.features.odd_sounds import CONTAINERS, RATE, SONG_S, heard, silence, write
from tests.sounds import melody


@pytest.mark.parametrize("ending", CONTAINERS)
def test_stereo_whose_right_channel_is_turned_over_has_the_vector_of_the_mono_original(
    ending: str, embedder: Embedder, song: np.ndarray, tmp_path: Path
) -> None:
    _, mono = heard(write(tmp_path / f"mono.{ending}", song), embedder)
    track, turned = heard(write(tmp_path / f"turned.{ending}", np.hstack([song, -song])), embedder)
    assert mono @ turned >= 0.97
    assert track.warnings == (
        "its channels cancel each other in 10 of 10 segments: those that oppose the loudest were left out there",
    )


def test_dither_is_not_what_is_heard_of_channels_that_cancel(
    embedder: Embedder, song: np.ndarray, tmp_path: Path
) -> None:
    dither = np.random.default_rng(0).uniform(-1, 1, (2, song.size, 2)).sum(0) / 2
    soundfile.write(tmp_path / "a.wav", np.round(np.hstack([song, -song]) * 32_767 + dither).astype(np.int16), RATE)
    soundfile.write(tmp_path / "mono.wav", song, RATE)
    assert heard(tmp_path / "a.wav", embedder)[1] @ heard(tmp_path / "mono.wav", embedder)[1] >= 0.97


@pytest.mark.parametrize("n_more", [0, 4])
def test_a_loud_track_out_of_phase_is_heard_over_a_quiet_one_in_phase(
    n_more: int, embedder: Embedder, song: np.ndarray, tmp_path: Path
) -> None:
    quiet = 0.1 * melody(SONG_S, RATE, seed=1)
    channels = np.hstack([song + quiet, quiet - song, *[silence(SONG_S)] * n_more])
    soundfile.write(tmp_path / "both.wav", channels, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "mono.wav", song + quiet, RATE, subtype="FLOAT")
    assert heard(tmp_path / "both.wav", embedder)[1] @ heard(tmp_path / "mono.wav", embedder)[1] >= 0.97


def test_a_track_that_is_turned_over_half_way_is_heard_to_its_end(
    embedder: Embedder, song: np.ndarray, tmp_path: Path
) -> None:
    right = np.where(np.arange(song.size) < song.size // 2, 1, -1)[:, np.newaxis] * song
    soundfile.write(tmp_path / "half.flac", np.hstack([song, right]), RATE)
    soundfile.write(tmp_path / "mono.flac", song, RATE)
    assert heard(tmp_path / "half.flac", embedder)[1] @ heard(tmp_path / "mono.flac", embedder)[1] >= 0.97
    assert np.abs(decode(tmp_path / "half.flac", RATE)).max() > 0.1


def test_an_outline_is_not_flat_where_channels_cancel(song: np.ndarray, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "turned.flac", np.hstack([song, -song]), RATE)
    assert read_peaks(tmp_path / "turned.flac", n_peaks=10).peaks.min() > 0.1


def test_ordinary_stereo_is_averaged_to_the_bit(embedder: Embedder, song: np.ndarray, tmp_path: Path) -> None:
    other = melody(SONG_S, RATE, seed=1)  # as wide as it gets: the channels have nothing to do with each other
    soundfile.write(tmp_path / "wide.wav", np.hstack([song, other]), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "mean.wav", (song + other) / 2, RATE, subtype="FLOAT")
    wide, mean = (decode_segments(tmp_path / name, embedder.recipe) for name in ("wide.wav", "mean.wav"))
    np.testing.assert_array_equal(wide.segments, mean.segments)
    assert wide.warnings == ()


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3", "m4a", "opus"])
def test_a_minute_of_silence_behind_a_song_changes_little(
    ending: str, embedder: Embedder, song: np.ndarray, tmp_path: Path
) -> None:
    _, plain = heard(write(tmp_path / f"plain.{ending}", song), embedder)
    track, behind = heard(write(tmp_path / f"behind.{ending}", np.vstack([song, silence(60)])), embedder)
    assert plain @ behind >= 0.95
    assert track.duration_s == pytest.approx(SONG_S + 60, abs=0.2)
    assert max(track.starts_s) < SONG_S


def test_silence_behind_a_song_leaves_its_segments_where_they_are(
    embedder: Embedder, song: np.ndarray, tmp_path: Path
) -> None:
    # what repeats on a beat shifts all its segments together, and some vectors are another's after 0.02 s
    song = song[: round((SONG_S - 0.05) * RATE)]
    plain, _ = heard(write(tmp_path / "plain.flac", song), embedder)
    behind, _ = heard(write(tmp_path / "behind.flac", np.vstack([song, silence(60)])), embedder)
    np.testing.assert_allclose(behind.starts_s, plain.starts_s, atol=0.01)


def test_a_hidden_track_behind_five_minutes_of_silence_does_not_outweigh_the_song(
    embedder: Embedder, song: np.ndarray, tmp_path: Path
) -> None:
    hidden = melody(20, RATE, seed=1)
    _, plain = heard(write(tmp_path / "plain.flac", song), embedder)
    _, both = heard(write(tmp_path / "both.flac", np.vstack([song, silence(300), hidden])), embedder)
    others = [heard(write(tmp_path / f"{n}.flac", melody(SONG_S, RATE, seed=n)), embedder)[1] for n in range(1, 5)]
    assert plain @ both > max(float(other @ both) for other in others)


@pytest.mark.parametrize("noise", [0.0, 1 / 32_768])
def test_five_seconds_in_twenty_minutes_of_silence_are_found(noise: float, embedder: Embedder, tmp_path: Path) -> None:
    five = melody(5, RATE)
    around = np.vstack([silence(611), five, silence(584)])
    around += noise * np.random.default_rng(0).standard_normal((len(around), 1)).astype(np.float32)
    _, found = heard(write(tmp_path / "long.flac", around), embedder)
    _, alone = heard(write(tmp_path / "alone.flac", five), embedder)
    assert found @ alone >= 0.95


def test_an_offset_does_not_pass_for_sound(embedder: Embedder, song: np.ndarray, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "plain.wav", song + 0.1, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "behind.wav", np.vstack([song, silence(60)]) + 0.1, RATE, subtype="FLOAT")
    assert heard(tmp_path / "plain.wav", embedder)[1] @ heard(tmp_path / "behind.wav", embedder)[1] >= 0.95


def test_silence_in_a_short_track_is_passed_over(embedder: Embedder, tmp_path: Path) -> None:
    short = melody(25, RATE)
    _, plain = heard(write(tmp_path / "plain.flac", short), embedder)
    _, behind = heard(write(tmp_path / "behind.flac", np.vstack([silence(20), short])), embedder)
    assert plain @ behind >= 0.95


@pytest.mark.parametrize("ending", ["wav", "mp3", "m4a"])
def test_a_long_silence_is_refused_as_silent(ending: str, embedder: Embedder, tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="silent"):
        decode_segments(write(tmp_path / f"nothing.{ending}", silence(100)), embedder.recipe)


@pytest.mark.parametrize("duration_s", [20, SONG_S])
def test_one_sample_of_fifty_is_clipped(duration_s: int, embedder: Embedder, song: np.ndarray, tmp_path: Path) -> None:
    sound = song[: duration_s * RATE].copy()
    soundfile.write(tmp_path / "clean.wav", sound, RATE, subtype="FLOAT")
    sound[sound.size // 20 * 11] = 50.0  # in the middle of a segment
    soundfile.write(tmp_path / "spike.wav", sound, RATE, subtype="FLOAT")
    track, spiked = heard(tmp_path / "spike.wav", embedder)
    assert spiked @ heard(tmp_path / "clean.wav", embedder)[1] >= 0.95
    assert track.warnings == ("samples beyond full scale were clipped: 1",)


def test_a_track_on_another_scale_is_not_clipped(embedder: Embedder, song: np.ndarray, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "clean.wav", song, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "loud.wav", song * 32_768, RATE, subtype="FLOAT")
    track, loud = heard(tmp_path / "loud.wav", embedder)
    assert loud @ heard(tmp_path / "clean.wav", embedder)[1] >= 0.999
    assert track.warnings == ()


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3", "m4a", "alac.m4a", "opus"])
def test_a_sound_file_has_no_warning(ending: str, embedder: Embedder, song: np.ndarray, tmp_path: Path) -> None:
    assert heard(write(tmp_path / f"song.{ending}", np.hstack([song, song])), embedder)[0].warnings == ()
