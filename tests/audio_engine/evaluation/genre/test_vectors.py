import numpy as np
import pytest
import soundfile

from audio_engine.evaluation.baselines import mfcc_statistics
from audio_engine.evaluation.genre.choices import Unit
from audio_engine.evaluation.genre.encoders import load_encoders, plug_in
from audio_engine.evaluation.genre.vectors import Degradation, cut, describe_tracks
from features.decode import decode
from features.decode_errors import DecodeError
from features.segments import cut_segments
from tests.sounds import write_sound


def loudness(waveform, sample_rate):
    """Describe a sound by its level and its length: a plug-in, as docs/genre_benchmark.md shows one."""
    loudness.n_calls += 1
    return np.array([np.sqrt(np.mean(waveform**2)), waveform.size / sample_rate])


loudness.sample_rate = 8_000
loudness.n_calls = 0
LOUDNESS = f"{__name__}:loudness"


@pytest.fixture
def track(tmp_path):
    return write_sound(tmp_path / "song.wav", duration_s=8.0, sample_rate=44_100)


def described(files, names, embedder, *, unit, cache_dir, degradations=(Degradation.CLEAN,)):
    encoders = load_encoders(names, embedder=embedder, seed=0)
    return list(describe_tracks(files, encoders, degradations=degradations, unit=unit, cache_dir=cache_dir))


def test_a_track_gives_ten_segments_of_three_seconds_or_itself():
    track = np.arange(16_000 * 30, dtype=np.float32)
    segments = cut(track, 16_000, Unit.SEGMENT)
    assert len(segments) == 10
    assert {segment.size for segment in segments} == {48_000}
    assert np.array_equal(segments[1], track[48_000:96_000])
    assert cut(track, 16_000, Unit.TRACK)[0] is track


def test_our_vector_of_a_track_is_the_one_that_a_catalogue_would_hold(embedder, track, tmp_path):
    (found,) = described([track], ["ours"], embedder, unit=Unit.TRACK, cache_dir=tmp_path / "cache")
    expected = embedder.embed(cut_segments(decode(track, 44_100), embedder.recipe)[np.newaxis])
    assert np.allclose(found["ours"].vectors[Degradation.CLEAN], expected, atol=1e-5)


def test_our_vector_of_a_segment_is_that_of_a_file_that_holds_just_it(embedder, track, tmp_path):
    (found,) = described([track], ["ours"], embedder, unit=Unit.SEGMENT, cache_dir=tmp_path / "cache")
    third = cut(decode(track, 44_100), 44_100, Unit.SEGMENT)[2]
    expected = embedder.embed(cut_segments(third, embedder.recipe)[np.newaxis])
    assert found["ours"].vectors[Degradation.CLEAN].shape == (10, embedder.dim)
    assert np.allclose(found["ours"].vectors[Degradation.CLEAN][2], expected[0], atol=1e-5)


def test_plain_statistics_are_those_of_the_sound_at_their_own_rate(embedder, track, tmp_path):
    (found,) = described([track], ["mfcc"], embedder, unit=Unit.TRACK, cache_dir=tmp_path / "cache")
    expected = mfcc_statistics(decode(track, 22_050), 22_050)
    assert np.allclose(found["mfcc"].vectors[Degradation.CLEAN][0], expected, rtol=0.02, atol=0.5)
    assert found["mfcc"].cpu_s > 0


def test_vectors_are_kept_by_content_and_made_again_only_for_another_track(embedder, track, tmp_path):
    arguments = {"unit": Unit.TRACK, "cache_dir": tmp_path / "cache"}
    loudness.n_calls = 0
    (first,) = described([track], [LOUDNESS], embedder, **arguments)
    moved = track.rename(tmp_path / "moved.wav")
    (second,) = described([moved], [LOUDNESS], embedder, **arguments)
    assert loudness.n_calls == 1
    assert np.array_equal(first[LOUDNESS].vectors[Degradation.CLEAN], second[LOUDNESS].vectors[Degradation.CLEAN])
    assert first[LOUDNESS].cpu_s == second[LOUDNESS].cpu_s
    described([write_sound(moved, duration_s=4.0, seed=1)], [LOUDNESS], embedder, **arguments)
    assert loudness.n_calls == 2


def test_each_harm_does_what_its_name_says(embedder, track, tmp_path):
    (found,) = described(
        [track], [LOUDNESS], embedder, unit=Unit.TRACK, cache_dir=tmp_path / "cache", degradations=tuple(Degradation)
    )
    level, length = np.transpose([found[LOUDNESS].vectors[degradation][0] for degradation in Degradation])
    level, length = (dict(zip(Degradation, values, strict=True)) for values in (level, length))
    assert level[Degradation.QUIETER] == pytest.approx(10 ** (-6 / 20) * level[Degradation.CLEAN], rel=1e-3)
    assert length[Degradation.FASTER] == pytest.approx(8 / 1.02, abs=0.01)
    assert length[Degradation.SLOWER] == pytest.approx(8 / 0.98, abs=0.01)
    assert length[Degradation.MP3] == pytest.approx(8, abs=0.1)
    assert all(np.isfinite(value) and value > 0 for value in level.values())


def test_a_file_that_cannot_be_read_gives_its_error_and_the_others_go_on(embedder, track, tmp_path):
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"no sound")
    gone = tmp_path / "gone.wav"
    first, second, third = described(
        [broken, gone, track], ["mfcc"], embedder, unit=Unit.TRACK, cache_dir=tmp_path / "cache"
    )
    assert isinstance(first, DecodeError)
    assert isinstance(second, FileNotFoundError)
    assert third["mfcc"].vectors[Degradation.CLEAN].shape == (1, 40)


def test_a_plug_in_is_any_callable_and_an_unknown_one_is_refused(tmp_path, embedder):
    soundfile.write(tmp_path / "s.wav", 0.5 * np.ones(16_000), 16_000)
    encoder = plug_in(LOUDNESS)
    assert encoder.sample_rate == 8_000
    assert encoder.describe([np.full(8_000, 0.5, np.float32)])[0] == pytest.approx([0.5, 1])
    with pytest.raises(ValueError, match="module:callable that can be imported, got 'no_such_module:f'"):
        plug_in("no_such_module:f")
    with pytest.raises(ValueError, match="encoder must be one of ours, mfcc"):
        load_encoders(["vggish"], embedder=embedder, seed=0)


def words(waveform, sample_rate):
    return "loud"


def nothing(waveform, sample_rate):
    return None


def broken(waveform, sample_rate):
    return [1.0, np.nan]


def failing(waveform, sample_rate):
    raise RuntimeError("no weights")  # as somebody else's code may


@pytest.mark.parametrize("function", [words, nothing, broken, failing])
def test_a_plug_in_that_gives_no_vector_is_named(function, track, tmp_path, embedder):
    name = f"{__name__}:{function.__name__}"
    with pytest.raises(ValueError, match=f"encoder {name} must return (finite )?numbers"):
        described([track], [name], embedder, unit=Unit.TRACK, cache_dir=tmp_path)
