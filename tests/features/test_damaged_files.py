"""Files that are damaged, or lie about their length or rate, have the vector of what is there."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from features.decode import decode, decode_segments
from features.decode_errors import DecodeError
from features.peaks import read_peaks
from features.resample import resample
from metric_learning.embedder import Embedder
from tests.features.odd_sounds import RATE, SONG_S, damaged, heard, joined, read_on, write
from tests.sounds import write_with_ffmpeg


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
    assert "its beginning declares another length or rate than it holds: it was decoded to its end" in track.warnings
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
