"""Pruning takes out what is gone, and refuses where a disk may only not be mounted."""

import shutil
from pathlib import Path

import pytest

from audio_engine import Engine
from audio_engine.embedding import pruning
from tests.command_line import Run
from tests.disks import as_nobody_special
from tests.sounds import write_sound

MANY, N_OTHERS = 3, 2


def write_copies(folder: Path, n: int, *, seed: int = 0) -> Path:
    """Write n sounds of different bytes; each is quick to embed."""
    folder.mkdir(parents=True)
    sound = write_sound(folder / "0.flac", seed=seed).read_bytes()
    for number in range(1, n):
        (folder / f"{number}.flac").write_bytes(sound + bytes(number))
    return folder


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "MANY", MANY)


@pytest.fixture
def music(engine: Engine, tmp_path: Path) -> Path:
    """A disk with many tracks, and a few beside it, all embedded."""
    music = tmp_path / "music"
    write_copies(music / "disk" / "album", MANY + 1)
    write_copies(music / "other", MANY + N_OTHERS, seed=1)
    list(engine.embed(music))
    return music


@pytest.mark.parametrize("options", [["--prune"], ["--prune", "--force"]])
def test_a_folder_that_is_empty_is_not_pruned_unless_told_twice(
    run: Run, music: Path, directory: Path, options: list[str]
) -> None:
    empty(music)
    ran = run("embed", music, "-c", directory, *options)
    n_tracks = 2 * MANY + 1 + N_OTHERS
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        f"error: nothing is pruned, since {music} is empty and had {n_tracks} tracks, {n_tracks} of {n_tracks} tracks "
        f"in {music} are missing (is a disk not mounted? if not: --force-prune)\n"
    )
    assert len(run("tracks", "-c", directory, "--json").objects) == n_tracks
    ran = run("embed", music, "-c", directory, *options, "--force-prune")
    assert (ran.status, ran.out) == (0, f"{n_tracks} pruned\n")


def test_a_folder_with_few_tracks_that_is_empty_is_not_pruned_either(run: Run, directory: Path, tmp_path: Path) -> None:
    music = write_copies(tmp_path / "few", 1)
    run("embed", music, "-c", directory)
    empty(music)
    ran = run("embed", music, "-c", directory, "--prune")
    assert ran.status == 2
    assert f"{music} is empty and had 1 tracks" in ran.err


def test_a_folder_that_is_not_there_is_misuse(run: Run, music: Path, directory: Path) -> None:
    shutil.rmtree(music)
    ran = run("embed", music, "-c", directory, "--prune", "--force-prune")
    assert (ran.status, ran.err) == (2, f"error: {music}: No such file or directory\n")


def test_a_disk_below_that_is_not_mounted_is_not_pruned(run: Run, music: Path, directory: Path) -> None:
    empty(music / "disk")
    ran = run("embed", music, "-c", directory, "--prune")
    assert ran.status == 2
    assert f"since {music / 'disk'} is empty and had {MANY + 1} tracks (is" in ran.err


def test_most_of_a_folder_is_not_pruned(run: Run, music: Path, directory: Path) -> None:
    shutil.rmtree(music / "other")
    ran = run("embed", music, "-c", directory, "--prune")
    assert ran.status == 2
    assert f"since {MANY + N_OTHERS} of {2 * MANY + 1 + N_OTHERS} tracks in {music} are missing (is" in ran.err
    ran = run("embed", music, "-c", directory)
    assert (ran.status, ran.out) == (0, f"{MANY + N_OTHERS} missing, {MANY + 1} unchanged\n")


def test_a_smaller_part_is_pruned(run: Run, music: Path, directory: Path) -> None:
    shutil.rmtree(music / "disk")
    assert run("embed", music, "-c", directory, "--prune").out.startswith(f"{MANY + 1} pruned")


def test_what_has_moved_is_not_missing(run: Run, music: Path, directory: Path) -> None:
    (music / "disk").rename(music / "new")
    (music / "other").rename(music / "old")
    ran = run("embed", music, "-c", directory, "--prune")
    assert (ran.status, ran.out) == (0, f"{2 * MANY + 1 + N_OTHERS} moved\n")


def test_what_is_missing_beside_new_files_is_refused_once_they_are_in(run: Run, music: Path, directory: Path) -> None:
    empty(music / "disk")
    write_copies(music / "new", 2, seed=2)
    ran = run("embed", music, "-c", directory, "--prune")
    assert ran.status == 2
    assert f"{music / 'disk'} is empty and had {MANY + 1} tracks" in ran.err
    assert len(run("tracks", "-c", directory, "--json").objects) == 2 * MANY + 1 + N_OTHERS + 2


def test_to_be_told_twice_means_both(run: Run, music: Path, directory: Path) -> None:
    ran = run("embed", music, "-c", directory, "--force-prune")
    assert ran.status == 2
    assert "goes with --prune" in ran.err


def test_what_may_not_be_looked_at_is_not_gone(engine: Engine, music: Path) -> None:
    (music / "disk").chmod(0)
    with as_nobody_special():
        plan = engine.plan(music)
    (music / "disk").chmod(0o755)
    assert plan.missing == ()
    assert [path for path, _ in plan.unreadable] == [music / "disk"]


def test_a_file_in_whose_place_is_a_folder_is_gone(engine: Engine, music: Path) -> None:
    track = music / "other" / "1.flac"
    track.unlink()
    track.mkdir()
    shutil.rmtree(music / "disk" / "album")
    (music / "disk" / "album").write_text("a file in the place of a folder")
    album = {music / "disk" / "album" / f"{number}.flac" for number in range(MANY + 1)}
    assert set(engine.plan(music).missing) == {track, *album}
