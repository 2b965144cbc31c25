"""A table is what its file says: a path is a path, and text is text."""

import ast
import gzip
import re
from pathlib import Path

import polars as pl
import pytest

import audio_engine
from audio_engine.plays.formats import scan_plays
from audio_engine.plays.table_files import id_text, scan_table
from audio_engine.plays.tables import read_user_names, read_users

ENDINGS = ("parquet", "csv", "tsv", "jsonl")


def write(table: pl.DataFrame, path: Path) -> Path:
    match path.suffix:
        case ".parquet":
            table.write_parquet(path)
        case ".jsonl":
            table.write_ndjson(path)
        case ".tsv":
            table.write_csv(path, separator="\t")
        case _:
            table.write_csv(path)
    return path


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("names", [("p[1]", "p1"), ("p*", "pxy"), ("p?", "pq")])
def test_a_path_is_no_pattern(tmp_path: Path, ending: str, names: tuple[str, str]) -> None:
    for name in names:
        write(pl.DataFrame({"user": [name], "track": ["a"]}), tmp_path / f"{name}.{ending}")
    for name in names:
        path = tmp_path / f"{name}.{ending}"
        assert scan_plays(path).collect()["user"].to_list() == [name]
        assert scan_table(path).collect()["user"].to_list() == [name]


def test_a_folder_is_no_pattern_and_what_others_keep_in_it_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "Music [FLAC]" / "a=1"
    folder.mkdir(parents=True)
    write(pl.DataFrame({"user": ["u"], "track": ["a"]}), folder / "1.parquet")
    (folder / "._1.parquet").write_bytes(b"of macOS")
    assert scan_plays(folder).collect()["user"].to_list() == ["u"]
    assert scan_table(folder).collect().columns == ["user", "track"]
    with pytest.raises(FileNotFoundError, match="which has none"):
        scan_plays(folder.parent)


def test_nothing_else_gives_a_path_to_polars_as_a_pattern() -> None:
    for file in Path(audio_engine.__file__).parent.rglob("*.py"):
        if file.name == "table_files.py":
            continue
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call) and re.fullmatch(r"pl\.(scan|read)_\w+", ast.unparse(call.func)):
                bytes_are_no_path = ast.unparse(call.args[0]) == "content"
                assert bytes_are_no_path or "glob=False" in ast.unparse(call), f"{file}:{call.lineno}"


@pytest.mark.parametrize("ending", ENDINGS)
def test_ids_are_text(tmp_path: Path, ending: str) -> None:
    table = pl.DataFrame({"user": ["007", "7", "0"], "track": ["000001", "1", "0"]})
    plays = scan_plays(write(table, tmp_path / f"plays.{ending}")).collect()
    assert plays.select("user", "track").equals(table)
    assert scan_table(tmp_path / f"plays.{ending}").select("user", "track").collect().equals(table)


def test_whole_numbers_are_one_user_however_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "plays.csv").write_text("user,track\n1.0,a\n1,a\n2.5,a\n")
    (tmp_path / "plays.jsonl").write_text(
        '{"user":1.0,"track":"a"}\n{"user":1,"track":"a"}\n{"user":"2.5","track":1}\n'
    )
    for name in ("plays.csv", "plays.jsonl"):
        assert scan_plays(tmp_path / name).collect()["user"].to_list() == ["1", "1", "2.5"]
    for users in ("user,more\n1.0,x\n1e5,y\n", "user,more\n1,x\n1e5,y\n"):
        (tmp_path / "users.csv").write_text(users)
        assert list(read_users(tmp_path / "users.csv")[0]) == ["1", "1e5"]
        assert read_user_names(tmp_path / "users.csv") == {"1", "1e5"}
    ids = pl.DataFrame({"user": [1.0, 2.5, float("nan"), None]})
    assert ids.select(id_text("user", pl.Float64()))["user"].to_list() == ["1", "2.5", None, None]


def test_files_of_a_folder_may_type_their_columns_each_in_its_way(tmp_path: Path) -> None:
    write(pl.DataFrame({"user": [7], "track": ["a"], "timestamp": [86_400]}), tmp_path / "1.parquet")
    write(pl.DataFrame({"user": ["007"], "track": [1], "timestamp": ["1970-01-03"]}), tmp_path / "2.parquet")
    assert scan_plays(tmp_path).select("user", "track", "day").collect().rows() == [("7", "a", 1.0), ("007", "1", 2.0)]


def test_a_quote_in_tabbed_text_is_a_character(tmp_path: Path) -> None:
    (tmp_path / "plays.tsv").write_text('user\ttrack\nu1\t"Heroes\nu2\t12" mix\nu3\tb\n')
    assert scan_plays(tmp_path / "plays.tsv").collect()["track"].to_list() == ['"Heroes', '12" mix', "b"]
    (tmp_path / "plays.tsv").write_text('user\ttrack\nu1\t"He said ""a"""\nu2\t"Heroes"\nu3\t""\n')
    assert scan_plays(tmp_path / "plays.tsv").collect()["track"].to_list() == ['He said "a"', '"Heroes"', None]
    (tmp_path / "quoted.tsv").write_text('"user"\t"track"\n"u1"\t"a\tb"\n')
    assert scan_plays(tmp_path / "quoted.tsv").collect()["track"].to_list() == ["a\tb"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('user,track,title\nu1,a,"Heroes\nu2,b,x\nu3,c,Low"\nu4,d,y\n', "must close every quote"),
        ('user,track,day\nu1,"Heroes,1\nu2,b,2\n', "that nothing closes"),
        ("user,track,track\nu,a,b\n", "each column once, got 'track' twice"),
        ("", "empty CSV"),
        ("user,track\nu,a\n".encode("utf-16"), "must be UTF-8"),
    ],
)
def test_a_csv_that_would_be_misread_is_refused_by_name(tmp_path: Path, content: str | bytes, reason: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=reason) as refused:
        scan_plays(path)
    assert "bad.csv" in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfuser,track\r\n007,a\r\n",
        b"user;track\n007;a\n",
        b"user\ttrack\n007\ta\n",
        gzip.compress(b"user,track\n007,a\n", mtime=0),
        b'user,track\n"007","a"\n',
    ],
)
def test_a_csv_of_another_dialect_is_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "plays.csv").write_bytes(content)
    assert scan_plays(tmp_path / "plays.csv").select("user", "track").collect().rows() == [("007", "a")]


def test_json_lines_may_tell_a_thing_late_and_in_any_type(tmp_path: Path) -> None:
    lines = ['{"user": 7, "track": "a", "more": {"of": 1}}'] * 150 + ['{"user": "x", "track": 1, "action": "skip"}']
    (tmp_path / "plays.jsonl").write_text("\n".join(lines))
    assert scan_plays(tmp_path / "plays.jsonl").collect().row(-1) == ("x", "1", None, None, None, "skip")


def test_columns_of_text_are_typed_by_all_of_their_values(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i}.5,0{i},2023-11-14,{i}\n" for i in range(150))
    (tmp_path / "tracks.csv").write_text(f"whole,number,padded,date,word\n{rows}1,1,1,2023-11-15,x\n")
    schema = scan_table(tmp_path / "tracks.csv").collect_schema()
    assert schema.dtypes() == [pl.Int64, pl.Float64, pl.String, pl.Date, pl.String]
