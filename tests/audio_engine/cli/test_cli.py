"""The command line as a user runs it: on real files, with a real catalogue, through `main`."""

import json
import logging
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from audio_engine.engine import Engine
from metric_learning.model_files import DEFAULT_MODEL_DIR, USER_TOWER_FILE
from metric_learning.user_checkpoint import HEAD
from tests.audio_engine.cli.music import sounds, start
from tests.command_line import Run
from tests.paths import ROOT


def test_help_names_every_command(run: Run) -> None:
    ran = run("--help")
    assert ran.status == 0
    commands = "demo embed import similar path tracks info errors remove export use-model evaluate genre serve"
    for command in [*commands.split(), "learn-users", "users-for"]:
        assert f"\n  {command} " in ran.out


def test_the_version_is_said(run: Run) -> None:
    assert run("--version").out.startswith("audio-engine ")


def test_help_loads_no_torch() -> None:
    heavy = "{'torch', 'librosa', 'faiss', 'polars'}"
    code = f"import sys, audio_engine.cli.commands; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["embed", "--no-such-option"],
        ["embed", "/nowhere"],
        ["embed", ".", "--cpu-budget", "0%"],
        ["embed", ".", "--cpu-budget", "half"],
        ["embed"],
        ["similar"],
        ["similar", "nobody"],
        ["similar", "nobody", "-k", "0"],
        ["similar", "nobody", "--year-from", "2000", "--year-to", "1990"],
        ["similar", "nobody", "--min-duration", "-3"],
        ["path", "nobody", "nobody"],
        ["recall", "nobody"],
        ["genre", "predict", "nobody"],
        ["remove", "nobody"],
        ["use-model", "/nowhere"],
        ["no-such-command"],
    ],
    ids=" ".join,
)
def test_misuse_is_status_2_and_one_clear_line(run: Run, tmp_path: Path, arguments: list[str]) -> None:
    Engine.open(tmp_path).close()
    ran = run(*arguments, "-c", tmp_path)
    assert ran.status == 2
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert ran.err.splitlines()[-1].lower().startswith("error: ")


@pytest.mark.parametrize(
    "words",
    [
        *("tracks", "info", "errors", "similar a", "path a b", "recall u", "users-for a", "links", "users profile u"),
        *("genre predict a", "remove a", "describe", "export a.parquet"),
    ],
)
def test_only_what_fills_a_catalogue_makes_one(run: Run, tmp_path: Path, words: str) -> None:
    missing, file = tmp_path / "a new one" / "catalogue", tmp_path / "file"
    hint = f"no catalogue is there yet: audio-engine embed FOLDER -c '{missing}'"
    assert run(*words.split(), "--catalogue", missing) == (2, "", f"error: {missing}: {hint}\n")
    file.touch()
    assert run(*words.split(), "--catalogue", file) == (2, "", f"error: {file}: a catalogue must be in a folder\n")
    assert list(tmp_path.iterdir()) == [file]


def test_a_new_user_is_told_how_to_begin(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    hint = "no catalogue is there yet: audio-engine embed FOLDER"
    assert run("tracks") == (2, "", f"error: {tmp_path / 'audio-engine'}: {hint}\n")


def test_a_user_tower_of_another_version_is_for_the_user_to_change(run: Run, embedded: Path, tmp_path: Path) -> None:
    model = shutil.copytree(DEFAULT_MODEL_DIR, tmp_path / "model")
    head = json.dumps({"format_version": 0})
    save_file({"none": np.zeros(1)}, model / USER_TOWER_FILE, metadata={HEAD: head})
    catalogue = shutil.copytree(embedded, tmp_path / "catalogue")
    assert run("use-model", model, "-c", catalogue).status == 0
    (tmp_path / "plays.csv").write_text("user,track\nann,tone\nann,chord\n")
    ran = run("learn-users", tmp_path / "plays.csv", "-c", catalogue)
    assert (ran.status, ran.out, len(ran.err.splitlines())) == (2, "", 1)
    assert "format_version of the user tower" in ran.err


def test_a_new_user_with_an_empty_catalogue_is_told_what_to_type(run: Run, music: Path, tmp_path: Path) -> None:
    Engine.open(tmp_path).close()
    hint = f"nothing in {tmp_path} yet: audio-engine embed FOLDER -c {tmp_path}\n"
    assert run("tracks", "-c", tmp_path) == (0, "", hint)
    for options in ((), ("--genre", "polka"), ("--minutes", 30), ("--json",)):
        assert run("similar", music / "tone.flac", "-c", tmp_path, *options) == (0, "", hint)
    assert run("recall", "--liked", music / "tone.flac", "-c", tmp_path) == (0, "", hint)
    assert run("errors", "-c", tmp_path) == (0, "", "no file has failed\n")
    assert "tracks                  0" in run("info", "-c", tmp_path).out


def test_tracks_are_listed_for_people_and_programs(run: Run, embedded: Path) -> None:
    table = run("tracks", "-c", embedded).out.splitlines()
    assert table[0].split() == ["id", "artist", "title", "length", "path"]
    assert len(table) == 2 + 6
    rows = run("tracks", "-c", embedded, "--json").objects
    assert {row["title"] for row in rows} == {"Tone", "Chord", "Noise", "Clicks", "Sweep"}


def test_no_name_breaks_a_line_or_moves_the_cursor(run: Run, embedded: Path) -> None:
    ran = run("tracks", "-c", embedded)
    assert r"new\nline \xff \x1b[31m 🎵" in ran.out
    assert "\x1b" not in ran.out
    paths = [row["path"] for row in run("tracks", "-c", embedded, "--json").objects]
    assert any(str(path).endswith("new\nline \ufffd \x1b[31m 🎵.flac") for path in paths)


def test_failed_files_are_listed_with_the_reason(run: Run, music: Path, embedded: Path) -> None:
    [row] = run("errors", "-c", embedded, "--json").objects
    assert row["path"] == str(music / "broken.mp3")
    assert row["error"]
    assert str(row["error"]) in run("errors", "-c", embedded).out


def test_removed_tracks_are_named_and_their_files_stay(run: Run, music: Path, catalogue: Path) -> None:
    ran = run("remove", music / "tone.flac", "-c", catalogue)
    assert ran.status == 0
    assert "Tone" in ran.out
    assert "1 taken out of the catalogue" in ran.err
    assert (music / "tone.flac").exists()
    assert len(run("tracks", "-c", catalogue, "--json").objects) == 5


def test_the_catalogue_is_exported(run: Run, embedded: Path, tmp_path: Path) -> None:
    assert "6 tracks written" in run("export", tmp_path / "out.parquet", "-c", embedded).err
    assert pl.read_parquet(tmp_path / "out.parquet").height == 6
    ran = run("export", tmp_path / "nowhere" / "out.parquet", "-c", embedded)
    assert (ran.status, ran.err) == (2, f"error: {tmp_path / 'nowhere'}: No such file or directory\n")


def test_info_is_complete_for_programs(run: Run, embedded: Path) -> None:
    [info] = run("info", "-c", embedded, "--json").objects
    assert (info["n_tracks"], info["n_failed"], info["n_pending"], info["dim"]) == (6, 1, 0, 40)
    assert info["directory"] == str(embedded)


def test_a_damaged_catalogue_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "catalogue.sqlite").write_text("no database, but long enough to be taken for the head of one" * 99)
    ran = run("tracks", "-c", tmp_path)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith(f"error: catalogue '{tmp_path / 'catalogue.sqlite'}' is damaged")
    assert len(ran.err.splitlines()) == 1


def test_a_fault_of_our_own_is_one_line_and_its_traceback_is_there_on_request(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "audio_engine")  # and back again in the end
    Engine.open(tmp_path).close()

    def fail(self: Engine, **_: object) -> None:
        raise RuntimeError("the moon is full")

    monkeypatch.setattr(Engine, "tracks", fail)
    ran = run("tracks", "-c", tmp_path)
    assert ran.status == 1
    assert ran.err == "error: a fault in audio-engine: RuntimeError: the moon is full (--debug shows where)\n"
    assert "Traceback" in run("--debug", "tracks", "-c", tmp_path).err


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["tracks", "errors", "info"])
def test_a_pipe_that_is_closed_early_is_no_fault(embedded: Path, command: str, unbuffered: str) -> None:
    with start(command, "--json", "-c", embedded, PYTHONUNBUFFERED=unbuffered) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


def test_a_terminal_that_knows_only_ascii_gets_a_table_too(embedded: Path) -> None:
    process = start("tracks", "-c", embedded, PYTHONIOENCODING="ascii")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert r"new\nline \xff \x1b[31m ?" in out


def test_what_one_catalogue_exports_another_imports_once(run: Run, catalogue: Path, tmp_path: Path) -> None:
    assert run("export", tmp_path / "out.parquet", "--catalogue", catalogue).status == 0
    first, again = (run("import", tmp_path / "out.parquet", "--catalogue", tmp_path / "second") for _ in range(2))
    assert (first.status, first.out) == (0, f"{len(sounds()) + 1} embedded\n")
    assert again == (0, "nothing new\n", "")
    typed = shlex.split(first.err.removeprefix("next: audio-engine "))
    assert run(*typed).out.count("\n") > 1
