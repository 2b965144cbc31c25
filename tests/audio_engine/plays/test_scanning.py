"""A log of any file and any column names is read with one set of columns."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from audio_engine.plays.formats import scan_plays
from audio_engine.plays.scanning import PLAY_SCHEMA, PlayColumns, name_columns


def log(**columns: object) -> pl.LazyFrame:
    return name_columns(pl.LazyFrame(columns))


def test_a_log_gets_its_columns_by_default_names_and_nulls_for_what_it_lacks() -> None:
    plays = log(user=[7], track=["a"], day=[1.5]).collect()
    assert plays.columns == PLAY_SCHEMA.names()
    assert plays.row(0) == ("7", "a", 1.5, None, None, "none")


def test_columns_of_other_names_are_mapped() -> None:
    table = pl.LazyFrame({"listener": ["u"], "song": ["a"], "at": [172_800], "verdict": ["LIKE"]})
    columns = PlayColumns(user="listener", track="song", timestamp="at", action="verdict")
    assert name_columns(table, columns).collect().row(0) == ("u", "a", 2.0, None, None, "like")


def test_a_log_without_tracks_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="must have a column 'track'"):
        name_columns(pl.LazyFrame({"user": ["u"], "song": ["a"]}))


@pytest.mark.parametrize("time", [dt.datetime(1970, 1, 3), dt.date(1970, 1, 3), "1970-01-03 00:00:00", 172_800])
def test_a_time_is_read_as_a_date_a_text_or_seconds(time: object) -> None:
    assert log(user=["u"], track=["a"], timestamp=[time]).collect()["day"].to_list() == [2.0]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".jsonl"])
def test_a_log_reads_the_same_from_every_kind_of_file(tmp_path: Path, ending: str) -> None:
    table = pl.DataFrame({"user": ["u", "v"], "track": ["a", "b"], "day": [0.5, 1.0], "action": ["like", None]})
    path = tmp_path / f"plays{ending}"
    writers = {".parquet": table.write_parquet, ".jsonl": table.write_ndjson, ".csv": table.write_csv}
    if ending == ".tsv":
        table.write_csv(path, separator="\t")
    else:
        writers[ending](path)
    plays = scan_plays(path).collect()
    assert plays["action"].to_list() == ["like", "none"]
    assert plays["day"].to_list() == [0.5, 1.0]


@pytest.mark.parametrize("name", ["bad.parquet", "bad.csv"])
def test_a_damaged_or_empty_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("hello" if name == "bad.parquet" else "")
    with pytest.raises(ValueError, match=f"{name} must be a table that can be read"):
        scan_plays(tmp_path / name)


def test_a_missing_log_and_an_odd_ending_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        scan_plays(tmp_path / "none.parquet")
    (tmp_path / "plays.xls").touch()
    with pytest.raises(ValueError, match=r"plays\.xls"):
        scan_plays(tmp_path / "plays.xls")
