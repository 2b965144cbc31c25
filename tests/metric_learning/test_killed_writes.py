"""What processes that were killed left of a folder: it is cleared away, or the older folder comes back."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from metric_learning.atomic_files import restore_folder, whole_file, whole_folder
from tests.disks import small_disk

WRITING = """
import sys
from pathlib import Path
from metric_learning.atomic_files import whole_folder
with whole_folder(Path(sys.argv[1])) as temporary:
    (temporary / "half").write_text("half")
    print("writing", flush=True)
    sys.stdin.read()
"""
BETWEEN_RENAMES = """
import os, signal, sys
from pathlib import Path
from metric_learning.atomic_files import whole_folder
rename = Path.replace
Path.replace = lambda *names: (rename(*names), os.kill(os.getpid(), signal.SIGKILL))
with whole_folder(Path(sys.argv[1])) as temporary:
    (temporary / "new").write_text("new")
"""


def test_what_a_killed_process_left_of_a_folder_is_cleared_away_and_what_is_being_written_is_not(
    tmp_path: Path,
) -> None:
    out, other = tmp_path / "out", tmp_path / ".out.b.part"
    other.mkdir()  # somebody else's
    command = (sys.executable, "-c", WRITING, str(out))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        restore_folder(out)
        [unfinished] = {*tmp_path.iterdir()} - {other}
        assert (unfinished / "half").exists()
        process.kill()
    assert not out.exists()
    with whole_folder(out) as temporary:
        (temporary / "new").write_text("new")
    assert {*tmp_path.iterdir()} == {out, other}
    assert [file.name for file in out.iterdir()] == ["new"]


def test_a_folder_comes_back_whose_writer_was_killed_between_two_renames(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with whole_folder(out) as temporary:
        (temporary / "old").write_text("old")
    killed = subprocess.run((sys.executable, "-c", BETWEEN_RENAMES, str(out)), check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    restore_folder(out)
    assert [file.name for file in out.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [out]


def test_a_checkpoint_for_which_there_is_no_space_is_named(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", n_kib=100) as disk:
        with pytest.raises(OSError, match="No space left on device") as caught, whole_file(disk / "a.pt") as temporary:
            torch.save(torch.zeros(100_000), temporary)
        assert caught.value.filename == str(disk / "a.pt")
        assert list(disk.iterdir()) == []
