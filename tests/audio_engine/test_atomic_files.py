"""Atomic writes: a file is either completely new or still the old one."""

from pathlib import Path

import polars as pl
import pytest

from audio_engine.atomic_files import whole_file, whole_folder, write_frames, write_table, write_whole
from audio_engine.plays.table_files import scan_table
from tests.disks import without_permissions


class KilledError(Exception):
    """Stands for whatever ends a write."""


def test_a_file_is_replaced_at_the_end_only(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("old")
    with whole_file(out) as temporary:
        temporary.write_text("new")
        assert out.read_text() == "old"
    assert out.read_text() == "new"
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_is_replaced_at_the_end_only(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    for text in ("old", "new"):
        with whole_folder(out) as temporary:
            (temporary / text).write_text(text)
    assert [file.name for file in out.iterdir()] == ["new"]
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_a_write_that_ends_badly_changes_nothing(tmp_path: Path, whole: object) -> None:
    out = tmp_path / "out"
    with pytest.raises(KilledError), whole(out):  # type: ignore[operator]
        raise KilledError
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_lie_there_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), whole_file(tmp_path):
        pass
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "nowhere" / "out"):
        pass


@pytest.mark.parametrize("ending", ["json", "parquet", "arrow", "csv"])
def test_a_file_that_may_not_be_written_is_named_by_its_own_name(ending: str, tmp_path: Path) -> None:
    out, frame = tmp_path / f"out.{ending}", pl.DataFrame({"a": [1]})
    with without_permissions(tmp_path), pytest.raises(PermissionError) as refused:
        if ending == "json":
            write_whole(out, b"{}")
        else:
            write_frames(iter([frame]), frame.schema, out)
    assert refused.value.filename == str(out)


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "OUT.CSV"])
def test_a_table_is_what_its_name_says(name: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"user": ["007", 'a "b", c'], "score": [1.5, None]})
    for write in (
        lambda out: write_table(frame, out),
        lambda out: write_frames(iter([frame[:1], frame[1:]]), frame.schema, out),
    ):
        write(tmp_path / name)
        assert scan_table(tmp_path / name).collect().equals(frame)
    content = (tmp_path / name).read_bytes()
    assert content.startswith(b"PAR1" if name.endswith("parquet") else b"user,score")


def test_a_name_that_says_nothing_or_too_little_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user": ["ann"], "vector": [[0.5]]})
    for name, says in (("out.txt", "got out.txt"), ("out", "got out"), ("out.csv", r"lists \(vector\)")):
        with pytest.raises(ValueError, match=f"must end in .parquet.*{says}|{says}.*must end in .parquet"):
            write_table(frame, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
