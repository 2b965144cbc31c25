"""Odd files have the vector of what is heard in them: turned phase, silence, damage, lengths and rates that lie."""

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from features.decode import DecodeError, Segments, decode, decode_segments
from features.peaks import read_peaks
from features.resample import resample
from metric_learning.embedder import Embedder
from tests.sounds import melody, write_with_ffmpeg

RATE = 44_100
SONG_S = 75  # seconds: longer than twice the segments together, so that it is seeked
CONTAINERS = {  # by ending: FFmpeg's codec, sample rate in Hz
    "wav": ("pcm_s16le", RATE),
    "flac": ("flac", RATE),
    "ogg": (None, RATE),  # by libsndfile: FFmpeg's encoder is an experiment
    "mp3": ("libmp3lame", RATE),
    "m4a": ("aac", RATE),
    "alac.m4a": ("alac", RATE),
    "opus": ("libopus", 48_000),
}


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load(device="cpu")


@pytest.fixture(scope="module")
def song() -> np.ndarray:
    return melody(SONG_S, RATE)


def write(path: Path, sound: np.ndarray, bit_rate: str = "192k") -> Path:
    """Write (n_samples, n_channels) of 44.1 kHz in the container that the name says."""
    codec, rate = CONTAINERS[path.name.split(".", 1)[1]]
    if codec is None:
        with soundfile.SoundFile(path, "w", RATE, sound.shape[1], format="OGG", subtype="VORBIS") as file:
            for first in range(0, len(sound), RATE):  # in one piece, libsndfile overflows its stack
                file.write(sound[first : first + RATE])
        return path
    at_rate = np.stack([resample(np.ascontiguousarray(channel), RATE, rate) for channel in sound.T], axis=1)
    return write_with_ffmpeg(path, at_rate, rate, codec, b=bit_rate)


def heard(path: Path, embedder: Embedder) -> tuple[Segments, np.ndarray]:
    track = decode_segments(path, embedder.recipe)
    return track, embedder.embed(track.segments[np.newaxis])[0]


def silence(duration_s: float, n_channels: int = 1) -> np.ndarray:
    return np.zeros((round(duration_s * RATE), n_channels), np.float32)


def damaged(path: Path, *, at: list[float], n_bytes: int, seed: int = 0) -> Path:
    content, rng = bytearray(path.read_bytes()), np.random.default_rng(seed)
    for part in at:
        place = int(len(content) * part)
        content[place : place + n_bytes] = rng.bytes(n_bytes)
    path.write_bytes(content)
    return path


def joined(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def read_on(path: Path) -> np.ndarray:
    """What a decoder finds that reads to the end, packet by packet, mono at 44.1 kHz: the slow twin."""
    pieces: list[tuple[int, np.ndarray]] = []
    with av.open(str(path)) as container:
        for packet in container.demux(audio=0):
            try:
                pieces += [(frame.sample_rate, frame.to_ndarray().mean(axis=0)) for frame in packet.decode()]
            except av.error.FFmpegError:
                continue
    rates = list(dict.fromkeys(rate for rate, _ in pieces))
    runs = [np.concatenate([samples for rate, samples in pieces if rate == wanted]) for wanted in rates]
    return np.concatenate([resample(run, rate, RATE) for run, rate in zip(runs, rates, strict=True)])


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


@pytest.mark.parametrize("n_bytes", [8, 3_000])
@pytest.mark.parametrize("ending", ["flac", "ogg", "mp3", "m4a", "alac.m4a", "opus"])
def test_a_damaged_stretch_costs_no_more_than_itself(
    ending: str, n_bytes: int, embedder: Embedder, song: np.ndarray, tmp_path: Path
) -> None:
    path = write(tmp_path / f"song.{ending}", song)
    _, whole = heard(path, embedder)
    places = [n / 20 for n in range(1, 20, 2)]  # in every segment, where bytes are spread as seconds are
    track, torn = heard(damaged(path, at=places, n_bytes=n_bytes), embedder)
    assert whole @ torn >= 0.95
    assert track.duration_s == pytest.approx(SONG_S, abs=2)


def test_damaged_packets_are_counted(embedder: Embedder, song: np.ndarray, tmp_path: Path) -> None:
    path = damaged(write(tmp_path / "song.m4a", song), at=[n / 20 for n in range(1, 20, 2)], n_bytes=400)
    assert any(line.startswith("damaged packets were left out: ") for line in heard(path, embedder)[0].warnings)


def test_a_file_whose_every_packet_is_damaged_is_refused(song: np.ndarray, tmp_path: Path, embedder: Embedder) -> None:
    path = write(tmp_path / "song.m4a", song[: 10 * RATE])
    content = bytearray(path.read_bytes())
    begin = content.index(b"mdat") + 4
    content[begin : content.rindex(b"moov") - 4] = b"\xff" * (content.rindex(b"moov") - 4 - begin)
    path.write_bytes(content)
    with pytest.raises(DecodeError, match="FFmpeg"):
        decode_segments(path, embedder.recipe)


def halves(tmp_path: Path, song: np.ndarray, ending: str, bit_rates: tuple[str, str]) -> tuple[Path, Path]:
    """The first 20 s of a song and the rest, a file each."""
    parts = (song[: 20 * RATE], song[20 * RATE :])
    first, second = (
        write(tmp_path / f"{n}.{ending}", part, bit_rate)
        for n, (part, bit_rate) in enumerate(zip(parts, bit_rates, strict=True))
    )
    return first, second


@pytest.mark.parametrize("ending", ["mp3", "flac", "ogg", "opus"])
def test_joined_files_are_heard_to_the_end(ending: str, embedder: Embedder, song: np.ndarray, tmp_path: Path) -> None:
    both = joined(tmp_path / f"both.{ending}", *halves(tmp_path, song, ending, ("192k", "128k")))
    track, vector = heard(both, embedder)
    soundfile.write(tmp_path / "read_on.wav", decode(both, RATE), RATE, subtype="FLOAT")
    _, whole = heard(write(tmp_path / f"whole.{ending}", song), embedder)
    assert track.duration_s == pytest.approx(SONG_S, abs=0.3)
    assert vector @ heard(tmp_path / "read_on.wav", embedder)[1] >= 0.95
    assert vector @ whole >= 0.95
    assert "its beginning does not declare all that it holds: it was decoded to its end" in track.warnings
    assert read_peaks(both).duration_s == pytest.approx(SONG_S, abs=0.3)


def test_an_mp3_whose_bit_rate_falls_without_a_head_is_heard_to_the_end(
    embedder: Embedder, song: np.ndarray, tmp_path: Path
) -> None:
    parts = []
    for path in halves(tmp_path, song, "mp3", ("320k", "96k")):
        content = path.read_bytes()
        parts.append(content[content.index(b"\xff\xfb", content.index(b"Info") if b"Info" in content else 0) :])
    (tmp_path / "falls.mp3").write_bytes(b"".join(parts))
    track, vector = heard(tmp_path / "falls.mp3", embedder)
    soundfile.write(tmp_path / "read_on.wav", read_on(tmp_path / "falls.mp3"), RATE, subtype="FLOAT")
    assert track.duration_s == pytest.approx(SONG_S, abs=0.5)
    assert vector @ heard(tmp_path / "read_on.wav", embedder)[1] >= 0.95


def test_adts_whose_bit_rate_falls_is_heard_to_the_end(embedder: Embedder, song: np.ndarray, tmp_path: Path) -> None:
    parts = [(song[: 20 * RATE], "320k"), (song[20 * RATE :], "64k")]
    files = [
        write_with_ffmpeg(tmp_path / f"{n}.aac", sound, RATE, "aac", b=bit_rate)
        for n, (sound, bit_rate) in enumerate(parts)
    ]
    falls = joined(tmp_path / "falls.aac", *files)
    track, vector = heard(falls, embedder)
    soundfile.write(tmp_path / "read_on.wav", read_on(falls), RATE, subtype="FLOAT")
    assert track.duration_s == pytest.approx(SONG_S, abs=0.3)
    assert vector @ heard(tmp_path / "read_on.wav", embedder)[1] >= 0.95


@pytest.mark.parametrize("ending", ["ogg", "mp3", "aac"])
def test_a_sample_rate_that_changes_on_the_way_is_followed(
    ending: str, embedder: Embedder, song: np.ndarray, tmp_path: Path
) -> None:
    first, rest = song[: 20 * RATE], resample(song[20 * RATE :, 0], RATE, 22_050)[:, np.newaxis]
    files = []
    for n, (sound, rate) in enumerate([(first, RATE), (rest, 22_050)]):
        path = tmp_path / f"{n}.{ending}"
        if ending == "ogg":
            with soundfile.SoundFile(path, "w", rate, 1, format="OGG", subtype="VORBIS") as file:
                for start in range(0, len(sound), rate):
                    file.write(sound[start : start + rate])
        else:
            write_with_ffmpeg(path, sound, rate, {"mp3": "libmp3lame", "aac": "aac"}[ending], b="96k")
        files.append(path)
    track, vector = heard(joined(tmp_path / f"both.{ending}", *files), embedder)
    waves = [resample(wave, rate, RATE) for wave, rate in ((read_on(files[0]), RATE), (read_on(files[1]), RATE))]
    soundfile.write(tmp_path / "read_on.wav", np.concatenate(waves), RATE, subtype="FLOAT")
    assert track.duration_s == pytest.approx(SONG_S, abs=0.3)
    assert vector @ heard(tmp_path / "read_on.wav", embedder)[1] >= 0.95
    assert "its sample rate changes on the way: 22050, 44100 Hz" in track.warnings


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
