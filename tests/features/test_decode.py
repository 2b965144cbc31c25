"""Decoding: every format, whole and by seeking, and damaged files."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from scipy.signal import fftconvolve

from features.decode import decode, decode_segments
from features.decode_errors import DecodeError
from features.frames import blocks_of
from features.mixing import channel_weights, concatenated, mix
from features.readers import FfmpegReader, SndfileReader
from features.recipe import MelRecipe
from features.segments import cut_segments, segment_starts
from tests.paths import SHARED
from tests.sounds import melody, write_with_ffmpeg

RECIPE = MelRecipe(segment_s=1.0, n_segments=3)
LONG_S = 20.0  # so long that the segments are seeked, not cut out of the whole
BY_SNDFILE = ["wav", "flac", "ogg", "mp3", "aiff", "opus", "caf", "au", "w64"]
BY_FFMPEG = [
    ("m4a", "aac", 44_100),
    ("m4a", "alac", 44_100),
    ("aac", "aac", 44_100),
    ("webm", "libopus", 48_000),
    ("mka", "ac3", 48_000),
    ("wv", "wavpack", 44_100),
    ("tta", "tta", 44_100),
    ("mp2", "mp2", 44_100),
    ("wma", "wmav2", 44_100),
]


def best_match(piece: np.ndarray, within: np.ndarray, *, at: int, slack: int = 8_000) -> float:
    """Cosine of a piece with what lies within 0.2 s of that place, at the best shift: the clock of ASF is coarse."""
    around = within[max(0, at - slack) : at + piece.size + slack]
    products = fftconvolve(around, piece[::-1], mode="valid")
    energies = fftconvolve(around**2, np.ones(piece.size), mode="valid")
    return float(np.max(products / np.sqrt(np.maximum(energies, 1e-9)) / np.linalg.norm(piece)))


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return melody(LONG_S, 44_100, n_channels=2)


def written(path: Path, sound: np.ndarray) -> Path:
    rate = 48_000 if path.suffix == ".opus" else 44_100
    kinds = {".ogg": ("OGG", "VORBIS"), ".opus": ("OGG", "OPUS")}
    kind, subtype = kinds.get(path.suffix, (None, None))
    if path.suffix == ".opus":
        sound = melody(LONG_S, rate, n_channels=2)
    soundfile.write(path, sound, rate, format=kind, subtype=subtype)
    return path


@pytest.mark.parametrize("ending", BY_SNDFILE)
def test_what_soundfile_writes_is_decoded_and_seeked(ending: str, sound: np.ndarray, tmp_path: Path) -> None:
    check_seeking(written(tmp_path / f"melody.{ending}", sound))


@pytest.mark.parametrize(("ending", "codec", "rate"), BY_FFMPEG)
def test_what_ffmpeg_writes_is_decoded_and_seeked(ending: str, codec: str, rate: int, tmp_path: Path) -> None:
    path = tmp_path / f"melody.{ending}"
    check_seeking(write_with_ffmpeg(path, melody(LONG_S, rate, n_channels=2), rate, codec, b="128k"))


def check_seeking(path: Path) -> None:
    """The whole is the melody that was written, and the segments that were seeked lie where they should."""
    track = decode_segments(path, RECIPE)
    whole = decode(path, RECIPE.sample_rate)
    assert track.duration_s == pytest.approx(LONG_S, abs=0.5)
    assert track.segments.shape == (RECIPE.n_segments, RECIPE.segment_samples)
    assert best_match(melody(LONG_S, RECIPE.sample_rate)[5_000:30_000, 0], whole, at=5_000) > 0.95
    for segment, start_s in zip(track.segments, track.starts_s, strict=True):
        assert best_match(segment[2_000:-2_000], whole, at=round(start_s * RECIPE.sample_rate) + 2_000) > 0.99


def test_lossless_seeking_gives_the_very_samples_of_the_whole(sound: np.ndarray, tmp_path: Path) -> None:
    for ending in ("wav", "flac"):
        path = written(tmp_path / f"melody.{ending}", sound)
        whole = decode(path, RECIPE.sample_rate)
        np.testing.assert_allclose(decode_segments(path, RECIPE).segments, cut_segments(whole, RECIPE), atol=1e-4)


def test_a_name_that_lies_does_not_matter(sound: np.ndarray, tmp_path: Path) -> None:
    flac = written(tmp_path / "melody.flac", sound)
    lying = flac.rename(tmp_path / "melody.mp3")
    assert decode(lying, 22_050).size == pytest.approx(LONG_S * 22_050, abs=2)


def test_an_open_file_is_read_like_a_path(sound: np.ndarray, tmp_path: Path) -> None:
    for name in ("melody.wav", "melody.opus"):
        path = written(tmp_path / name, sound)
        np.testing.assert_array_equal(
            decode_segments(io.BytesIO(path.read_bytes()), RECIPE).segments, decode_segments(path, RECIPE).segments
        )


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_a_truncated_file_gives_what_is_there(ending: str, sound: np.ndarray, tmp_path: Path) -> None:
    path = written(tmp_path / f"melody.{ending}", sound)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 5])
    assert decode_segments(path, RECIPE).duration_s == pytest.approx(0.4 * LONG_S, abs=2)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3", "opus"])
def test_junk_after_the_end_does_no_harm(ending: str, sound: np.ndarray, tmp_path: Path) -> None:
    path = written(tmp_path / f"melody.{ending}", sound)
    path.write_bytes(path.read_bytes() + np.random.default_rng(0).bytes(50_000))
    assert decode_segments(path, RECIPE).duration_s == pytest.approx(LONG_S, abs=0.2)


@pytest.mark.parametrize("n_channels", [1, 2, 6, 8])
@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 96_000, 192_000])
def test_any_rate_and_any_number_of_channels_is_taken(rate: int, n_channels: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", melody(2, rate, n_channels=n_channels), rate)
    assert decode_segments(tmp_path / "a.wav", RECIPE).duration_s == pytest.approx(2, abs=0.01)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left = melody(1, 22_050)[:, 0]
    soundfile.write(tmp_path / "a.wav", np.stack([left, np.zeros_like(left)], axis=1), 22_050, subtype="FLOAT")
    np.testing.assert_allclose(decode(tmp_path / "a.wav", 22_050), left / 2, atol=1e-7)


UNFIT = {
    "empty": (b"", "empty"),
    "text": (b"la la la\n" * 1_000, "Invalid data|not recognised"),
    "one sample": (np.ones(1), "too short"),
    "no sample": (np.zeros(0), "no sound"),
    "silence": (np.zeros(44_100), "silent"),
    "an offset and no sound": (np.full(44_100, 0.5), "silent"),
    "not a number": (np.r_[np.ones(44_100), np.nan], "not finite"),
    "infinite": (np.r_[np.ones(44_100), np.inf], "not finite"),
    "a playlist of other files": (b"#EXTM3U\n#EXTINF:9,\n/etc/passwd\n", "Invalid|not recognised"),
    "a list of other files": (b"ffconcat version 1.0\nfile /etc/passwd\n", "Invalid|not recognised"),
}


@pytest.mark.parametrize("what", UNFIT)
def test_what_is_not_fit_to_embed_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    content, words = UNFIT[what]
    path = tmp_path / "song.wav"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        soundfile.write(path, content, 44_100, subtype="FLOAT")
    with pytest.raises(DecodeError, match=words) as refusal:
        decode_segments(path, RECIPE)
    assert "\n" not in str(refusal.value)


def test_half_a_second_is_enough(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", melody(0.5), 44_100)
    assert decode_segments(tmp_path / "a.wav", RECIPE).duration_s == pytest.approx(0.5)


def test_ten_hours_are_seeked_and_not_unpacked(tmp_path: Path) -> None:
    quiet = np.where(np.arange(8_000 * 3_600) % 64 < 32, 1e-3, -1e-3).astype(np.float32)
    with soundfile.SoundFile(tmp_path / "long.flac", "w", 8_000, 1) as file:
        for _ in range(10):
            file.write(quiet)
    read: list[int] = []
    original = SndfileReader._read_on
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SndfileReader, "_read_on", lambda self, n: read.append(n) or original(self, n))
        assert decode_segments(tmp_path / "long.flac", RECIPE).duration_s == pytest.approx(36_000)
    assert sum(read) < 8_000 * 10


def test_a_file_that_one_decoder_refuses_is_given_to_the_other(sound: np.ndarray, tmp_path: Path) -> None:
    path = written(tmp_path / "melody.flac", sound)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SndfileReader, "__init__", refuse)
        assert decode(path, 22_050).size > 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FfmpegReader, "__init__", refuse)
        assert decode(path, 22_050).size > 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SndfileReader, "__init__", refuse)
        patch.setattr(FfmpegReader, "__init__", refuse)
        with pytest.raises(DecodeError, match="refused"):
            decode(path, 22_050)


def refuse(reader: object, file: object) -> None:
    raise DecodeError("refused")


def test_all_real_excerpts_are_decoded_to_their_end() -> None:
    if not SHARED.exists():
        pytest.skip("needs the music in ../shared")
    paths = sorted((SHARED / "audio").glob("*.opus"))[::25]
    recipe = MelRecipe()
    for path in paths:
        assert 20 < decode_segments(path, recipe).duration_s < 31, path.name


def test_starts_are_given_in_seconds(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", melody(10), 44_100)
    track = decode_segments(tmp_path / "a.wav", RECIPE)
    starts = segment_starts(10 * RECIPE.sample_rate, RECIPE) / RECIPE.sample_rate
    np.testing.assert_allclose(track.starts_s, starts, atol=1e-3)


def test_gathering_frames_gives_the_samples_of_one_frame_after_another(sound: np.ndarray, tmp_path: Path) -> None:
    path = write_with_ffmpeg(tmp_path / "melody.m4a", sound, 44_100, "aac", b="128k")
    with path.open("rb", buffering=0) as file:
        gathered = np.concatenate(list(FfmpegReader(file).blocks())).mean(axis=1)
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray().mean(axis=0) for frame in container.decode(audio=0)]
    np.testing.assert_allclose(gathered, np.concatenate(frames), atol=1e-6)


def test_channels_that_change_on_the_way_are_averaged_all_along() -> None:
    def frame(n_channels: int, value: float) -> av.AudioFrame:
        samples = np.full((n_channels, 1_000), value, np.float32)
        made = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo" if n_channels == 2 else "mono")
        made.sample_rate = 44_100
        return made

    frames = iter([frame(2, 0.1), frame(2, 0.2), frame(1, 0.3), frame(2, 0.4)])
    samples = concatenated(blocks_of(frames, block_samples=10_000, sample_rate=44_100))
    np.testing.assert_allclose(
        mix(samples, channel_weights(samples)), np.repeat([0.1, 0.2, 0.3, 0.4], 1_000), atol=1e-6
    )


@pytest.mark.parametrize("n_channels", [1, 2, 6])
def test_the_mean_of_channels_is_their_mean(n_channels: int) -> None:
    samples = np.random.default_rng(0).standard_normal((1_000, n_channels)).astype(np.float32)
    np.testing.assert_allclose(mix(samples, channel_weights(samples)), samples.mean(axis=1), atol=1e-6)


def test_a_track_says_the_sample_rate_of_its_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", melody(2, 32_000), 32_000)
    assert decode_segments(tmp_path / "a.wav", RECIPE).source_rate == 32_000
