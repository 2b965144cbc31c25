"""Writing tags: only what was asked for, into real files of each format, whole or not at all; vectors stay."""

import os
import shutil
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile
from mutagen.id3 import APIC, COMM, ID3, TALB, TBPM, TIT2

from audio_engine import Engine
from audio_engine.catalogue.tags import read_tags
from audio_engine.catalogue.track import Described
from audio_engine.decoding.file_scan import find_audio_files
from audio_engine.description import tag_writing
from audio_engine.description.tag_writing import TagError, fields_there, write_fields
from features.decode import decode
from features.description import Description
from tests.command_line import Run
from tests.sounds import melody, write_sound, write_with_ffmpeg

FORMATS = ("mp3", "flac", "ogg", "opus", "m4a", "wav", "aiff")
FIELDS = {"bpm": "128", "key": "F#m", "genre": "Drum & Bass"}


def make_file(folder: Path, ending: str, *, seed: int = 0) -> Path:
    """A short sound with a title, an artist and a comment, in one of the formats."""
    path = folder / f"track.{ending}"
    if ending == "m4a":
        write_with_ffmpeg(path, melody(3.0, 44_100, seed=seed), 44_100, "aac")
    else:
        write_sound(path, 3.0, 48_000 if ending == "opus" else 44_100, seed=seed)
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    if isinstance(file.tags, ID3):
        file.tags.add(TIT2(encoding=3, text="Ünïcode"))
        file.tags.add(COMM(encoding=3, lang="eng", desc="", text="a comment"))
        file.tags.add(APIC(encoding=3, mime="image/png", type=3, desc="", data=b"\x89PNG" * 500))
    elif ending == "m4a":
        file.tags["\xa9nam"], file.tags["\xa9cmt"], file.tags["trkn"] = ["Ünïcode"], ["a comment"], [(3, 12)]
    else:
        file.tags["title"], file.tags["comment"], file.tags["replaygain_track_gain"] = "Ünïcode", "a comment", "-3 dB"
    file.save()
    return path


def others(path: Path) -> dict[str, str]:
    """All tags but those that are written."""
    written = {"tbpm", "tkey", "tcon", "bpm", "genre", "tmpo", "\xa9gen"}
    tags = dict(mutagen.File(path).tags)
    return {
        name: repr(value)
        for name, value in tags.items()
        if name.casefold() not in written and "initialkey" not in name.casefold()
    }


@pytest.mark.parametrize("ending", FORMATS)
def test_fields_come_back_and_everything_else_stays(tmp_path: Path, ending: str) -> None:
    path = make_file(tmp_path, ending)
    before, sound, rights = others(path), decode(path, 44_100), 0o640
    path.chmod(rights)
    assert fields_there(path) == {}
    write_fields(path, FIELDS)
    assert fields_there(path) == FIELDS
    assert others(path) == before
    assert np.array_equal(decode(path, 44_100), sound)
    assert (read_tags(path).title, read_tags(path).genre) == ("Ünïcode", "Drum & Bass")
    assert (path.stat().st_mode & 0o777, [each.name for each in tmp_path.iterdir()]) == (rights, [path.name])


@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_without_tags_gets_some(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"bare.{ending}"
    if ending == "m4a":
        write_with_ffmpeg(path, melody(3.0, 44_100), 44_100, "aac")
    else:
        write_sound(path, 3.0, 48_000 if ending == "opus" else 44_100)
    write_fields(path, {"key": "Am"})
    assert fields_there(path) == {"key": "Am"}


def test_a_genre_that_stands_in_riff_info_counts_as_there(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with soundfile.SoundFile(path, "w", 44_100, 1) as file:
        file.title, file.genre = "A song", "Folk"
        file.write(melody(3.0, 44_100)[:, :1])
    assert fields_there(path) == {"genre": "Folk"}
    write_fields(path, {"key": "Am"})
    assert fields_there(path) == {"genre": "Folk", "key": "Am"}
    assert read_tags(path).title == "A song"


def test_old_tags_stay_of_their_version(tmp_path: Path) -> None:
    path = make_file(tmp_path, "mp3")
    tags = ID3(path)
    tags.add(TALB(encoding=1, text="Album"))
    tags.save(path, v2_version=3)
    write_fields(path, FIELDS)
    assert ID3(path).version == (2, 3, 0)
    assert fields_there(path) == FIELDS
    assert str(ID3(path)["TALB"]) == "Album"


def test_a_link_stays_a_link_and_its_file_gets_the_tags(tmp_path: Path) -> None:
    path = make_file(tmp_path, "flac")
    link = tmp_path / "link.flac"
    link.symlink_to(path.name)
    write_fields(link, FIELDS)
    assert (link.is_symlink(), fields_there(path)) == (True, FIELDS)


def test_what_cannot_be_tagged_is_refused_and_left_alone(tmp_path: Path) -> None:
    noise = tmp_path / "noise.mp3"
    noise.write_bytes(np.random.default_rng(0).bytes(5_000))
    ac3 = write_with_ffmpeg(tmp_path / "track.ac3", melody(3.0, 44_100), 44_100, "ac3")
    for path in (noise, ac3):
        before = path.read_bytes()
        with pytest.raises(TagError):
            write_fields(path, FIELDS)
        assert path.read_bytes() == before


def test_a_write_that_breaks_off_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_file(tmp_path, "flac")
    before = path.read_bytes()

    def break_off(file: mutagen.FileType, _: object) -> None:
        Path(file.filename).write_bytes(before[: len(before) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tag_writing, "_write", break_off)
    with pytest.raises(OSError, match="No space"):
        write_fields(path, FIELDS)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_what_a_killed_write_left_is_no_track(tmp_path: Path) -> None:
    path = make_file(tmp_path, "mp3")
    shutil.copy(path, tmp_path / ".track.mp3.0123.part")
    assert [*find_audio_files(tmp_path)] == [path]


@pytest.fixture
def music(tmp_path: Path) -> Path:
    (tmp_path / "music").mkdir()
    for number, ending in enumerate(("mp3", "flac", "opus")):
        make_file(tmp_path / "music", ending, seed=number)
    return tmp_path / "music"


@pytest.fixture
def described(engine: Engine, music: Path) -> Engine:
    """Three tracks in three formats, of one tempo and key; one has a tempo in its tags."""
    tags = ID3(music / "track.mp3")
    tags.add(TBPM(encoding=3, text="99"))
    tags.save()
    assert len([*engine.embed(music)]) == 3
    engine.catalogue.write(
        [
            Described(track_id=track.track_id, description=Description(bpm=127.6, key="F#m", loudness_lufs=-9.0))
            for track in engine.tracks()
        ]
    )
    return engine


def test_a_catalogue_keeps_its_vectors_when_it_writes_tags(described: Engine, music: Path, run: Run) -> None:
    vectors, before = described.catalogue.vectors_stamp, {track.track_id: track for track in described.tracks()}
    ran = run("write-tags", "--bpm", "--key", "-c", described.directory)
    assert (ran.status, ran.err) == (0, "3 tagged\n")
    assert fields_there(music / "track.flac") == {"bpm": "128", "key": "F#m"}
    assert fields_there(music / "track.mp3") == {"bpm": "99", "key": "F#m"}  # a person's own is left alone
    plan = described.plan(music)
    assert (plan.to_embed, len(plan.unchanged)) == ((), 3)
    assert described.catalogue.vectors_stamp == vectors
    for track in described.tracks():
        assert track.description == before[track.track_id].description
        assert track.content_hash != before[track.track_id].content_hash
        assert track.tags.duration_s == before[track.track_id].tags.duration_s
    assert run("write-tags", "--bpm", "--key", "-c", described.directory).err == "3 unchanged\n"
    ran = run("write-tags", "--bpm", "--overwrite", "-c", described.directory)
    assert (ran.out.strip().endswith("bpm 99 -> 128"), ran.err) == (True, "1 tagged, 2 unchanged\n")


def test_a_dry_run_says_what_it_would_write_and_writes_nothing(described: Engine, music: Path, run: Run) -> None:
    before = {path: path.read_bytes() for path in music.iterdir()}
    ran = run("write-tags", music / "track.flac", "--bpm", "--key", "--dry-run", "-c", described.directory)
    assert ran.out.endswith("track.flac: bpm (none) -> 128, key (none) -> F#m\n")
    assert ran.err == "1 tagged (dry run: nothing was written)\n"
    assert {path: path.read_bytes() for path in music.iterdir()} == before


def test_a_file_that_changed_meanwhile_is_not_touched_and_costs_no_other(
    described: Engine, music: Path, run: Run
) -> None:
    soundfile.write(music / "track.flac", melody(4.0), 44_100)
    (music / "track.opus").unlink()
    changed = (music / "track.flac").read_bytes()
    ran = run("write-tags", "--key", "-c", described.directory, "--json")
    assert ran.status == 1
    assert {(Path(str(each["path"])).suffix, each["status"]) for each in ran.objects} == {
        (".mp3", "tagged"),
        (".flac", "failed"),
        (".opus", "missing"),
    }
    assert (music / "track.flac").read_bytes() == changed


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(described: Engine, music: Path, run: Run) -> None:
    music.chmod(0o500)
    ran = run("write-tags", "--key", "-c", described.directory)
    music.chmod(0o700)
    assert (ran.status, "Permission denied" in ran.err) == (1, True)


def test_only_a_known_genre_is_written(described: Engine, run: Run) -> None:
    flac, mp3, opus = described.tracks()
    described.catalogue.write_genres([(flac.track_id, "unknown", None), (mp3.track_id, "Techno", 0.9)])
    assert run("write-tags", "--genre", "-c", described.directory).err == "1 tagged, 2 unchanged\n"
    assert fields_there(mp3.path)["genre"] == "Techno"
    assert described.find(mp3.track_id).tags.genre == "Techno"
    assert "genre" not in fields_there(opus.path)


def test_nothing_is_written_unless_it_is_named(described: Engine, run: Run) -> None:
    ran = run("write-tags", "-c", described.directory)
    assert (ran.status, "say what to write: --bpm, --key, --genre" in ran.err) == (2, True)
