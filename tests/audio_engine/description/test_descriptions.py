"""Descriptions of a catalogue: measured once, resumable, kept through kills and dropped with the sound they were of."""

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from audio_engine import Engine, TrackFilter
from audio_engine.catalogue.catalogue import Catalogue
from audio_engine.catalogue.track import Described, Track
from features.description import Description
from tests.command_line import Run
from tests.old_catalogues import take_back
from tests.sounds import write_sound

N_TRACKS = 4


@pytest.fixture(scope="session")
def embedded(build_once) -> Path:  # type: ignore[no-untyped-def]
    """A folder with `music` and the `catalogue` of it, not described."""

    def write(folder: Path) -> None:
        (folder / "music").mkdir()
        for number in range(N_TRACKS):
            write_sound(folder / "music" / f"{number}.flac", 6.0, seed=number)
        with Engine.open(folder / "catalogue") as engine:
            assert [result.status for result in engine.embed(folder / "music")] == ["embedded"] * N_TRACKS

    return build_once("descriptions", write)


@pytest.fixture
def music(embedded: Path, tmp_path: Path) -> Path:
    """Files that a test may change, with their times: the catalogue is that of `directory`."""
    shutil.copytree(embedded / "music", tmp_path / "music", copy_function=shutil.copy2)
    return tmp_path / "music"


@pytest.fixture
def directory(music: Path, tmp_path: Path) -> Path:
    with Engine.open(tmp_path / "catalogue") as engine:
        assert len([*engine.embed(music)]) == N_TRACKS
    return tmp_path / "catalogue"


def states(engine: Engine) -> list[tuple[bool, str]]:
    return [(bool(track.described_at), track.description_error) for track in engine.tracks()]


def describe_all(engine: Engine) -> Counter[str]:
    return Counter(result.status for result in engine.descriptions.describe(engine.descriptions.pending()))


def test_a_folder_without_tracks_of_the_catalogue_is_named(
    run: Run, directory: Path, music: Path, tmp_path: Path
) -> None:
    ran = run("describe", music, tmp_path / "musik", "-c", directory)
    assert (ran.status, ran.out) == (2, "")
    assert (
        ran.err
        == f"error: FOLDER must hold tracks of the catalogue, got none in {tmp_path / 'musik'} (embed it first)\n"
    )


def test_each_track_is_described_once(engine: Engine) -> None:
    vectors = engine.catalogue.vectors_stamp
    assert describe_all(engine) == {"described": N_TRACKS}
    assert engine.descriptions.pending() == []
    for track in engine.tracks():
        assert track.description.loudness_lufs is not None
        assert track.description.loudness_lufs < 0
    assert engine.catalogue.vectors_stamp == vectors


def test_new_bytes_lose_their_description_and_moved_ones_keep_it(engine: Engine, music: Path) -> None:
    describe_all(engine)
    before = {track.path.name: track.description for track in engine.tracks()}
    (music / "1.flac").rename(music / "moved.flac")
    write_sound(music / "2.flac", 6.0, seed=99)
    assert Counter(result.status for result in engine.embed(music)) == {"moved": 1, "embedded": 1}
    assert [track.path.name for track in engine.descriptions.pending()] == ["2.flac"]
    assert engine.find(music / "moved.flac").description == before["1.flac"]


def test_a_copy_is_described_without_being_decoded(
    engine: Engine, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe_all(engine)
    shutil.copy(music / "0.flac", music / "copy.flac")
    assert [result.status for result in engine.embed(music)] == ["embedded"]
    monkeypatch.setattr("audio_engine.decoding.pool.DecoderPool.describe", None)
    assert describe_all(engine) == {"described": 1}
    assert engine.find(music / "copy.flac").description == engine.find(music / "0.flac").description


def test_what_cannot_be_described_is_listed_and_keeps_its_vector(engine: Engine, music: Path, run: Run) -> None:
    times = (music / "0.flac").stat()
    (music / "0.flac").write_bytes(np.random.default_rng(0).bytes(times.st_size))  # rot: the same size and time
    os.utime(music / "0.flac", ns=(times.st_atime_ns, times.st_mtime_ns))
    (music / "1.flac").unlink()
    with (music / "2.flac").open("ab") as file:
        file.write(b"more")
    assert describe_all(engine) == {"failed": 2, "missing": 1, "described": 1}
    assert [track.path.name for track in engine.descriptions.pending()] == ["1.flac", "2.flac"]
    assert [track.path.name for track in engine.descriptions.pending(retry=True)] == ["0.flac", "1.flac", "2.flac"]
    assert engine.vector(engine.find(music / "0.flac").track_id).shape == (40,)
    listed = run("describe", "--errors", "-c", engine.directory, "--json").objects
    assert [Path(str(each["path"])).name for each in listed] == ["0.flac"]


def test_a_killed_run_keeps_what_it_said_and_the_next_one_continues(directory: Path) -> None:
    command = [sys.executable, "-m", "audio_engine.cli.main", "describe", "-c", str(directory), "--json"]
    process = subprocess.Popen([*command, "--workers", "1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert b'"described"' in first
    with Engine.open(directory) as engine:
        n_left = len(engine.descriptions.pending())
        assert n_left < N_TRACKS
        assert describe_all(engine)["described"] == n_left
        assert states(engine) == [(True, "")] * N_TRACKS


def test_embed_describes_when_it_is_asked_to_and_then_only_what_lacks_it(music: Path, tmp_path: Path, run: Run) -> None:
    ran = run("embed", music, "-c", tmp_path / "own", "--describe")
    assert (ran.status, f"{N_TRACKS} described" in ran.out) == (0, True)
    ran = run("embed", music, "-c", tmp_path / "own", "--describe")
    assert (ran.status, "every track is described already" in ran.out) == (0, True)
    [first, *_] = run("tracks", "-c", tmp_path / "own", "--json").objects
    assert {"bpm", "key", "camelot", "loudness_lufs"} <= first.keys()


def test_an_older_catalogue_gets_the_columns(directory: Path) -> None:
    with Catalogue(directory) as catalogue:
        take_back(catalogue._connections.main, 3)
    with Engine.open(directory) as engine:
        assert states(engine) == [(False, "")] * N_TRACKS
        assert describe_all(engine) == {"described": N_TRACKS}


def set_descriptions(engine: Engine, *descriptions: Description) -> list[Track]:
    tracks = engine.tracks()
    described = zip(tracks, descriptions, strict=False)
    engine.catalogue.write([Described(track_id=track.track_id, description=each) for track, each in described])
    return tracks


def test_tempo_and_key_filter_and_a_track_without_them_fits_neither(engine: Engine) -> None:
    names = set_descriptions(
        engine, Description(bpm=120.0, key="Am"), Description(bpm=128.0, key="C"), Description(bpm=96.5, key="Am")
    )
    ids = [track.track_id for track in names]

    def fits(**conditions: object) -> set[str]:
        return set(engine.catalogue.track_ids(TrackFilter(**conditions)))  # type: ignore[arg-type]

    assert fits(bpm_from=120, bpm_to=128) == {ids[0], ids[1]}
    assert fits(key="a minor") == fits(key="8A") == {ids[0], ids[2]}
    assert fits(bpm_to=100.0, key="Am") == {ids[2]}
    assert fits(bpm_from=0) == set(ids[:3])
    with pytest.raises(ValueError, match=r"bpm_from must be at most bpm_to \(100\), got 120"):
        TrackFilter(bpm_from=120, bpm_to=100)
    with pytest.raises(ValueError, match="key must be a key such as Am"):
        TrackFilter(key="blue")


def test_the_command_line_filters_and_says_what_a_range_is(engine: Engine, run: Run) -> None:
    tracks = set_descriptions(engine, *[Description(bpm=bpm, key="F#m") for bpm in (90.0, 120.0, 125.2, 128.4)])
    seed, catalogue = tracks[0].track_id, engine.directory

    def found(*options: str) -> set[object]:
        return {each["track_id"] for each in run("similar", seed, "-c", catalogue, "--json", *options).objects}

    assert found("--bpm", "120-128", "--key", "F#m") == {tracks[1].track_id, tracks[2].track_id}
    assert found("--bpm", "128") == {tracks[3].track_id}
    assert found("--key", "11B") == set()
    ran = run("similar", seed, "-c", catalogue, "--bpm", "fast")
    assert (ran.status, "bpm must be a tempo or a range such as 120-128, got 'fast'" in ran.err) == (2, True)


def test_the_export_has_the_columns(engine: Engine, tmp_path: Path) -> None:
    set_descriptions(engine, Description(bpm=120.5, key="Am", loudness_lufs=-9.5))
    engine.export(tmp_path / "tracks.parquet")
    rows = pl.read_parquet(tmp_path / "tracks.parquet").sort("path").select("bpm", "key", "camelot", "loudness_lufs")
    assert rows.row(0) == (120.5, "Am", "8A", -9.5)
    assert rows.row(1) == (None, "", "", None)


def test_ctrl_c_keeps_what_is_done(directory: Path) -> None:
    command = [sys.executable, "-m", "audio_engine.cli.main", "describe", "-c", str(directory), "--json"]
    process = subprocess.Popen([*command, "--workers", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, words = process.communicate(timeout=120)
    n_said = 1 + len(rest.splitlines())
    with Engine.open(directory) as engine:
        assert N_TRACKS - len(engine.descriptions.pending()) >= n_said
    assert process.returncode == 130 or n_said == N_TRACKS, words
