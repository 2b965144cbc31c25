"""Every audio file below a folder is found once, and nothing else on the disk stops the scan."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from audio_engine.decoding.file_scan import find_audio_files

FLAC_HEAD = b"fLaC" + bytes(60)


def make(folder: Path, *names: str, head: bytes = b"") -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(head)
    return paths


def names_below(*roots: Path) -> list[str]:
    return [path.name for path in find_audio_files(*roots)]


def test_files_are_found_at_any_depth_in_the_order_of_their_names(tmp_path: Path) -> None:
    make(tmp_path, "b/2.mp3", "b/1.FLAC", "a/c/deep.ogg", "z.wav", "a.wav")
    relative = [str(path.relative_to(tmp_path)) for path in find_audio_files(tmp_path)]
    assert relative == ["a.wav", "z.wav", "a/c/deep.ogg", "b/1.FLAC", "b/2.mp3"]


def test_a_folder_deeper_than_python_can_recurse_is_walked(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1_100):
        os.mkdir("d", dir_fd=here)
        here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(os.open("song.mp3", os.O_CREAT, dir_fd=here))
    os.close(here)
    try:
        assert names_below(tmp_path) == ["song.mp3"]
    finally:
        subprocess.run(["rm", "-r", tmp_path / "d"], check=True)  # too deep for pytest to clear away


def test_paths_are_absolute_and_a_root_may_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [track] = make(tmp_path, "music/odd name.bin")
    monkeypatch.chdir(tmp_path / "music")
    assert list(find_audio_files("../music/odd name.bin")) == [track]


def test_a_root_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        find_audio_files(tmp_path, tmp_path / "nowhere")


def test_roots_that_overlap_give_each_file_once(tmp_path: Path) -> None:
    [track] = make(tmp_path, "a/song.mp3")
    assert list(find_audio_files(tmp_path, tmp_path / "a", track, tmp_path)) == [track]


def test_a_file_counts_by_its_first_bytes_where_its_ending_says_nothing(tmp_path: Path) -> None:
    make(tmp_path, "no ending", "odd.xyz", head=FLAC_HEAD)
    make(tmp_path, "letter", "letter.xyz", head=b"Dear all, ")
    make(tmp_path, "empty")
    assert names_below(tmp_path) == ["no ending", "odd.xyz"]


def test_what_macos_puts_beside_a_track_is_no_track(tmp_path: Path) -> None:
    make(tmp_path, "._song.mp3", head=b"\x00\x05\x16\x07" + bytes(60))
    make(tmp_path, "._really a song.flac", head=FLAC_HEAD)
    assert names_below(tmp_path) == ["._really a song.flac"]


@pytest.mark.parametrize(
    "folder", [".Trash", ".Trashes", ".Trash-1000", "$RECYCLE.BIN", "#recycle", "@Recycle", "lost+found"]
)
def test_a_wastebasket_is_passed_by_unless_it_is_named_itself(tmp_path: Path, folder: str) -> None:
    make(
        tmp_path,
        f"{folder}/1000/files/deleted.mp3",
        "Trash/by a band.mp3",
        "...And Justice/one.mp3",
        ".hidden/kept.mp3",
    )
    assert sorted(names_below(tmp_path)) == ["by a band.mp3", "kept.mp3", "one.mp3"]
    assert names_below(tmp_path / folder) == ["deleted.mp3"]


def test_links_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    make(tmp_path, "a/song.mp3", "b/other.mp3")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "across").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "back").symlink_to(tmp_path / "a")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert names_below(tmp_path) == ["song.mp3", "other.mp3"]


def test_a_link_never_hides_the_folder_that_it_leads_to(tmp_path: Path) -> None:
    [track] = make(tmp_path, "music/song.mp3")
    (tmp_path / "a link that sorts first").symlink_to(tmp_path / "music")
    assert list(find_audio_files(tmp_path)) == [track]


def test_a_linked_folder_elsewhere_is_walked_under_the_name_of_the_link(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/deep/song.mp3")
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "link").symlink_to(tmp_path / "elsewhere")
    assert list(find_audio_files(tmp_path / "music")) == [tmp_path / "music/link/deep/song.mp3"]


def test_a_linked_file_is_a_path_of_its_own(tmp_path: Path) -> None:
    [track] = make(tmp_path, "song.mp3")
    (tmp_path / "favourite.mp3").symlink_to(track)
    assert names_below(tmp_path) == ["favourite.mp3", "song.mp3"]


def test_a_link_to_nowhere_is_a_file_if_it_is_named_like_sound(tmp_path: Path) -> None:
    make(tmp_path, "song.mp3")
    for name in ("gone.mp3", "cover.jpg", "gone"):
        (tmp_path / name).symlink_to(tmp_path / "nowhere")
    assert names_below(tmp_path) == ["gone.mp3", "song.mp3"]


def test_a_closed_folder_is_reported_and_the_walk_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "closed/song.mp3", "open/song.mp3")
    scandir = os.scandir

    def guarded(folder: Path) -> object:
        if folder.name == "closed":  # chmod would not keep out root, who runs the tests in a container
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", guarded)
    reported: list[tuple[str, type]] = []
    found = list(find_audio_files(tmp_path, on_error=lambda path, error: reported.append((path.name, type(error)))))
    assert found == [tmp_path / "open" / "song.mp3"]
    assert reported == [("closed", PermissionError)]


@pytest.mark.filterwarnings("default::ResourceWarning")
def test_a_fifo_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.mp3")
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as user:
        user.bind(str(tmp_path / "socket"))
        assert names_below(tmp_path) == ["fifo.mp3"]


def test_any_name_is_found(tmp_path: Path) -> None:
    names = [b"new\nline.mp3", b"\xff\xfe not utf-8.mp3", "🎵 Größe.mp3".encode(), b" .mp3", b"-rf.mp3"]
    for name in names:
        (tmp_path / os.fsdecode(name)).touch()
    assert sorted(os.fsencode(path.name) for path in find_audio_files(tmp_path)) == sorted(names)
