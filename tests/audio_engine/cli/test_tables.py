"""Files that commands write tables to: of the kind that the name says, or refused before any work."""

from pathlib import Path

import polars as pl
import pytest

from audio_engine.cli.printing import number
from tests.command_line import Run
from tests.disks import without_permissions
from tests.listening_world import write_rising_log

TABLES = [
    ("recall-all",),
    ("score", "rates", "x.parquet"),
    ("score", "debias", "x.parquet", "--c", "1"),
    ("score", "value", "x.parquet", "--tracks", "x.parquet"),
    ("transfer", "x.parquet", "--from", "x.parquet", "--item", "film"),
    ("stream", "values", "sink"),
    ("rank", "score", "ranker", "x.parquet"),
    ("users", "profile"),
    ("users", "circles", "x.parquet"),
    ("users", "persona"),
    ("modules", "plan", "x.parquet", "--policy", "x.toml"),
    ("modules", "sweep", "x.parquet", "--policy", "x.toml"),
]
PARQUET_ONLY = [
    ("users", "tiers"),
    ("represent", "semantic", "--tracks", "x.parquet"),
    ("federated", "serve", "model", "--vectors", "x.parquet"),
]
FILES = [
    *((*command, "--out") for command in (*TABLES, *PARQUET_ONLY)),
    ("export",),
    ("export-model",),
    ("genre", "train", "--out"),
    ("score", "value-page", "x.parquet", "x.parquet", "--out"),
    ("users", "persona", "u", "--card"),
    ("modules", "sweep", "x.parquet", "--policy", "x.toml", "--out", "x.csv", "--figure"),
    ("evaluate", "sensitivity", "--world", "x", "--audio", "x", "--histogram"),
    ("similar", "x", "--m3u"),
    ("path", "x", "y", "--m3u"),
    ("recall", "u", "--m3u"),
]


@pytest.mark.parametrize("command", FILES, ids=" ".join)
def test_a_file_that_cannot_be_written_is_refused_before_any_work(
    command: tuple[str, ...], run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "folder.parquet"
    folder.mkdir()
    nowhere, file = tmp_path / "nowhere", folder / "out.parquet"
    assert run(*command, nowhere / "out.parquet") == (2, "", f"error: {nowhere}: No such file or directory\n")
    assert run(*command, folder) == (2, "", f"error: {folder}: Is a directory\n")
    with without_permissions(folder):
        assert run(*command, file) == (2, "", f"error: {file}: Permission denied\n")


@pytest.mark.parametrize("command", TABLES, ids=" ".join)
def test_a_name_that_is_none_of_a_table_is_refused_before_any_work(command: tuple[str, ...], run: Run) -> None:
    ran = run(*command, "--out", "answers.txt")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "error: a table must end in .parquet or .csv or .arrow, got answers.txt\n"


@pytest.mark.parametrize("command", PARQUET_ONLY, ids=" ".join)
def test_vectors_and_lists_are_not_written_as_csv(command: tuple[str, ...], run: Run) -> None:
    ran = run(*command, "--out", "vectors.csv")
    assert (ran.status, ran.err) == (2, "error: a table must end in .parquet, got vectors.csv\n")
    assert run("export", "vectors.csv").err == ran.err


def test_a_score_is_written_as_csv(run: Run, tmp_path: Path) -> None:
    write_rising_log(tmp_path)
    for name in ("rates.csv", "rates.parquet"):
        assert run("score", "rates", tmp_path / "plays.parquet", "--out", tmp_path / name).status == 0
    rates = pl.read_parquet(tmp_path / "rates.parquet")
    assert pl.read_csv(tmp_path / "rates.csv").rows() == rates.rows()
    explored = run("score", "exploration", tmp_path / "rates.csv", "--json")
    assert explored.objects == run("score", "exploration", tmp_path / "rates.parquet", "--json").objects
    assert len(explored.objects) == len(rates)


@pytest.mark.parametrize("out", ["--out {}", "--out={}", "--out other/../{}"])
def test_a_log_is_never_written_over_by_what_is_made_of_it(
    out: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rising_log(tmp_path)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    log = Path("plays.parquet").read_bytes()
    words = out.format("plays.parquet").split()
    ran = run("score", "rates", tmp_path / "plays.parquet", *words)
    assert (ran.status, ran.out) == (2, "")
    assert "error: --out must not be a file that the command reads, got " in ran.err
    assert Path("plays.parquet").read_bytes() == log
    assert run("score", "rates", "plays.parquet", "--out", "rates.parquet").status == 0
    assert run("score", "rates", "plays.parquet", "--out", "rates.parquet").status == 0  # an answer may be


@pytest.mark.parametrize(
    "words", ["federated serve m --vectors=a.parquet --ranked a.parquet", "similar x --like a.wav=0.5 --m3u a.wav"]
)
def test_a_file_that_is_read_is_found_however_it_is_named(
    words: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = words.rsplit(maxsplit=1)[-1]
    Path(name).touch()
    ran = run(*words.split())
    assert (ran.status, ran.out) == (2, "")
    assert f" must not be a file that the command reads, got {name}\n" in ran.err


def test_a_number_for_people_keeps_its_whole_part() -> None:
    assert [number(value) for value in (20_758.0, 9_999.7, 12_345.678, 0.012345, 1e300)] == [
        "20758",
        "10000",
        "12346",
        "0.01235",
        "1e+300",
    ]
