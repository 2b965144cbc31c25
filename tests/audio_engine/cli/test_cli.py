"""The command line, run as a person runs it: on real files, with a real catalogue, through `main`."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl
import pytest
import soundfile
from mutagen.flac import FLAC

from audio_engine.engine import Engine
from tests.command_line import Ran, Run

ROOT = Path(__file__).parents[3]
SAMPLE_RATE = 22_050  # Hz
DURATION_S = 3.0
STRANGE_NAME = os.fsdecode(b"new\nline \xff \x1b[31m " + "🎵.flac".encode())


def sounds() -> dict[str, np.ndarray]:
    at_s = np.arange(round(DURATION_S * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(0).normal(size=at_s.size)
    return {
        "tone": np.sin(2 * np.pi * 220 * at_s),
        "chord": sum(np.sin(2 * np.pi * hertz * at_s) for hertz in (262, 330, 392)),
        "noise": noise,
        "clicks": (at_s % 0.25 < 0.005) * noise,
        "sweep": np.sin(2 * np.pi * (100 + 1_000 * at_s) * at_s),
    }


def write_sound(path: Path, sound: np.ndarray, *, artist: str = "") -> Path:
    soundfile.write(path, 0.5 * sound / np.abs(sound).max(), SAMPLE_RATE, format="FLAC")
    tags = FLAC(path)
    tags.update({"title": path.stem.title() if path.name.isprintable() else "", "artist": artist})
    tags.save()
    return path


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    for name, sound in sounds().items():
        write_sound(folder / f"{name}.flac", sound, artist="Noise Makers" if name in {"noise", "clicks"} else "Tuners")
    (folder / STRANGE_NAME).write_bytes((folder / "sweep.flac").read_bytes() + b"junk")
    (folder / "broken.mp3").write_text("this is a letter")
    return folder


@pytest.fixture(scope="module")
def embedded(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("embedded")
    with Engine.open(directory) as engine:
        assert sum(result.status == "embedded" for result in engine.embed(music)) == len(sounds()) + 1
    return directory


@pytest.fixture
def catalogue(embedded: Path, tmp_path: Path) -> Path:
    return shutil.copytree(embedded, tmp_path / "catalogue")


def start(*arguments: str | Path, stdout: int | IO[str] = subprocess.PIPE, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "audio_engine.cli.main", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_help_names_every_command(run: Run) -> None:
    ran = run("--help")
    assert ran.status == 0
    commands = "demo embed import similar path tracks info errors remove export use-model evaluate genre serve"
    for command in commands.split():
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
        ["remove", "nobody"],
        ["use-model", "/nowhere"],
        ["no-such-command"],
    ],
    ids=" ".join,
)
def test_misuse_is_status_2_and_one_clear_line(run: Run, tmp_path: Path, arguments: list[str]) -> None:
    ran = run(*arguments, "-c", tmp_path)
    assert ran.status == 2
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert ran.err.splitlines()[-1].lower().startswith("error: ")


def test_embedding_sums_up_names_what_failed_and_says_what_to_type_next(run: Run, music: Path, tmp_path: Path) -> None:
    ran = run("embed", music, "-c", tmp_path, "--workers", "1")
    assert ran.status == 1
    assert ran.out == "6 embedded, 1 failed\n"
    assert f"failed: {music / 'broken.mp3'}: " in ran.err
    assert f"audio-engine errors -c {tmp_path} says why" in ran.err
    assert f"next: audio-engine similar TRACK -c {tmp_path}" in ran.err


def test_embedding_again_does_nothing(run: Run, music: Path, catalogue: Path) -> None:
    ran = run("embed", music, "-c", catalogue)
    assert (ran.status, ran.out) == (0, "6 unchanged\n")
    assert "1 failed before and were left alone" in ran.err


def test_a_dry_run_does_nothing(run: Run, music: Path, tmp_path: Path) -> None:
    assert run("embed", music, "-c", tmp_path, "--dry-run").out == "7 new (dry run: nothing was done)\n"
    [counts] = run("embed", music, "-c", tmp_path, "--dry-run", "--json").objects
    assert counts == {"new": 7, "changed": 0, "outdated": 0, "unchanged": 0, "failed_before": 0, "missing": 0}
    assert run("tracks", "-c", tmp_path).out == ""


def test_a_profile_lists_the_stages_and_does_nothing(run: Run, music: Path, tmp_path: Path) -> None:
    ran = run("embed", music, "--catalogue", tmp_path, "--profile")
    assert ran.status == 0
    assert [line.split()[0] for line in ran.out.splitlines()] == [
        *("read", "decode", "resample", "mel", "network", "write", "in", "rate"),
    ]
    assert run("tracks", "--catalogue", tmp_path, "--json").objects == []
    ran = run("embed", music, "--catalogue", tmp_path, "--profile", "--json")
    assert 0 < ran.objects[0]["decode_share"] < 1


def test_embedding_gives_way_and_keeps_to_its_budget(music: Path, tmp_path: Path) -> None:
    ran = start("embed", music, "--catalogue", tmp_path, "--nice", "--cpu-budget", "50%")
    assert "embedded" in ran.communicate()[0]


def test_embedding_for_programs_gives_an_object_a_file_and_words_on_stderr(
    run: Run, music: Path, catalogue: Path
) -> None:
    ran = run("embed", music, "-c", catalogue, "--force", "--json")
    assert [row["status"] for row in ran.objects].count("embedded") == 6
    assert {tuple(row) for row in ran.objects} == {("status", "path", "track_id", "error")}
    assert "6 embedded, 1 failed" in ran.err


def test_an_empty_folder_is_no_fault(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert run("embed", tmp_path / "empty", "-c", tmp_path / "c")[:2] == (0, "no sound files there\n")


def test_a_file_that_has_gone_is_kept_until_pruned(run: Run, catalogue: Path, tmp_path: Path) -> None:
    track = write_sound(tmp_path / "song.flac", sounds()["chord"])
    run("embed", tmp_path, "-c", catalogue)
    track.unlink()
    ran = run("embed", tmp_path, "-c", catalogue)
    assert (ran.status, ran.out) == (0, "1 missing\n")
    assert "--prune" in ran.err
    assert run("embed", tmp_path, "-c", catalogue, "--prune").out == "1 pruned\n"


def test_the_answer_is_a_table_of_rank_similarity_artist_title_length_path(
    run: Run, music: Path, embedded: Path
) -> None:
    ran = run("similar", music / "noise.flac", "-c", embedded, "-k", "3")
    heading, rule, first, *others = ran.out.splitlines()
    assert heading.split() == ["rank", "similarity", "artist", "title", "length", "path"]
    assert set(rule.strip()) == {"─"}
    assert first.split()[0] == "1"
    assert 1 <= len(others) + 1 <= 3
    assert "noise.flac" not in ran.out


def test_a_song_may_be_a_track_id_or_a_file_from_anywhere(
    run: Run, music: Path, embedded: Path, tmp_path: Path
) -> None:
    [track] = [row for row in run("tracks", "-c", embedded, "--json").objects if row["title"] == "Tone"]
    by_path = run("similar", music / "tone.flac", "-c", embedded, "--json").objects
    assert by_path
    assert run("similar", track["track_id"], "-c", embedded, "--json").objects == by_path
    stranger = write_sound(tmp_path / "stranger.flac", sounds()["tone"] + 0.01 * sounds()["noise"])
    assert run("similar", stranger, "-c", embedded, "-k", "1", "--json").objects[0]["rank"] == 1


def test_answers_for_programs_carry_tags_and_copies(run: Run, music: Path, embedded: Path) -> None:
    neighbours = run("similar", music / "noise.flac", "-c", embedded, "--json").objects
    assert [row["rank"] for row in neighbours] == list(range(1, len(neighbours) + 1))
    similarities = [row["similarity"] for row in neighbours]
    assert similarities == sorted(similarities, reverse=True)
    for row in neighbours:
        assert {"track_id", "artist", "title", "album", "genre", "year", "duration_s", "path", "copies"} <= set(row)


def test_artists_are_left_out_or_capped(run: Run, music: Path, embedded: Path) -> None:
    def artists(*options: str) -> list[object]:
        answer = run("similar", music / "clicks.flac", "-c", embedded, "--json", *options)
        return [row["artist"] for row in answer.objects]

    assert "Noise Makers" in artists()
    assert "Noise Makers" not in artists("--not-same-artist")
    assert artists("--max-per-artist", "1").count("Tuners") == 1


def test_an_answer_can_be_bounded_by_artist_length_and_folder(run: Run, music: Path, embedded: Path) -> None:
    def ask(*options: str | Path) -> Ran:
        return run("similar", music / "tone.flac", "-c", embedded, "--json", *options)

    ran = ask("--not-artist", "tuners", "--min-duration", "1", "--max-duration", "9", "--folder", music, "-k", "2")
    assert ran.status == 0
    assert {each["artist"] for each in ran.objects} == {"Noise Makers"}
    assert len(ran.objects) == 2
    assert ran.err == ""
    short = ask("--not-artist", "tuners")
    assert len(short.objects) == 2
    assert short.err == "2 of 10: no more tracks fit\n"


@pytest.mark.parametrize(
    "options", [["--genre", "polka"], ["--year-from", "1990", "--year-to", "1999"], ["--folder", "/nowhere"]]
)
def test_an_answer_that_nothing_fits_is_empty_and_says_so(
    run: Run, music: Path, embedded: Path, options: list[str]
) -> None:
    ran = run("similar", music / "tone.flac", "-c", embedded, *options)
    assert (ran.status, ran.out, ran.err) == (0, "", "0 of 10: no more tracks fit\n")


def test_an_answer_can_be_saved_as_a_playlist(run: Run, music: Path, embedded: Path, tmp_path: Path) -> None:
    ran = run("similar", music / "noise.flac", "-c", embedded, "-k", "2", "--m3u", tmp_path / "out.m3u")
    assert f"tracks written to {tmp_path / 'out.m3u'}" in ran.err
    assert (tmp_path / "out.m3u").read_text().startswith("#EXTM3U\n#EXTINF:3,")


def test_a_path_begins_at_one_song_and_ends_at_the_other(run: Run, music: Path, embedded: Path) -> None:
    steps = run("path", music / "tone.flac", music / "noise.flac", "-n", "3", "-c", embedded, "--json").objects
    assert (steps[0]["title"], steps[-1]["title"]) == ("Tone", "Noise")


def test_a_new_user_with_an_empty_catalogue_is_told_what_to_type(run: Run, music: Path, tmp_path: Path) -> None:
    hint = f"nothing in {tmp_path} yet: audio-engine embed FOLDER -c {tmp_path}\n"
    assert run("tracks", "-c", tmp_path) == (0, "", hint)
    assert run("similar", music / "tone.flac", "-c", tmp_path) == (1, "", hint)
    assert run("errors", "-c", tmp_path) == (0, "", "no file has failed\n")
    assert "n tracks          0" in run("info", "-c", tmp_path).out


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


def test_a_file_of_any_name_can_be_asked_about(run: Run, music: Path, embedded: Path) -> None:
    assert run("similar", music / STRANGE_NAME, "-c", embedded, "--json").status == 0


def test_failed_files_are_listed_with_the_reason(run: Run, music: Path, embedded: Path) -> None:
    [row] = run("errors", "-c", embedded, "--json").objects
    assert row["path"] == str(music / "broken.mp3")
    assert row["error"]
    assert str(row["error"]) in run("errors", "-c", embedded).out


def test_failed_files_are_tried_again_on_request(run: Run, music: Path, catalogue: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_text("still a letter")
    run("embed", broken, "-c", catalogue)
    write_sound(broken, sounds()["chord"])
    ran = run("errors", "--retry", "-c", catalogue)
    assert (ran.status, ran.out) == (1, "1 embedded, 1 failed\n")


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


def test_a_song_that_is_no_sound_is_one_line(run: Run, music: Path, embedded: Path) -> None:
    ran = run("similar", music / "broken.mp3", "-c", embedded)
    assert (ran.status, ran.out) == (1, "")
    assert len(ran.err.splitlines()) == 1


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

    def fail(self: Engine, **_: object) -> None:
        raise RuntimeError("the moon is full")

    monkeypatch.setattr(Engine, "tracks", fail)
    ran = run("tracks", "-c", tmp_path)
    assert ran.status == 1
    assert ran.err == "error: a fault in audio-engine: RuntimeError: the moon is full (--debug shows where)\n"
    assert "Traceback" in run("--debug", "tracks", "-c", tmp_path).err


def many_sounds(folder: Path, n: int) -> Path:
    folder.mkdir()
    sound = write_sound(folder / "0.flac", sounds()["chord"]).read_bytes()
    for number in range(1, n):
        (folder / f"{number}.flac").write_bytes(sound + bytes(number))  # junk at the end: other content, same sound
    return folder


def test_ctrl_c_keeps_what_was_done_and_the_same_command_goes_on(run: Run, tmp_path: Path) -> None:
    folder = many_sounds(tmp_path / "music", 24)
    command = ("embed", folder, "-c", tmp_path / "c", "--json")
    log = tmp_path / "log"
    with log.open("w") as out:
        process = start(*command, stdout=out)
    while not log.read_text():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    done = {json.loads(line)["track_id"] for line in log.read_text().splitlines()}
    assert process.returncode == 130
    assert "Traceback" not in err
    assert f"stopped: {len(done)} done and kept; run the same command again to go on" in err

    kept = {row["track_id"] for row in run("tracks", "-c", tmp_path / "c", "--json").objects}
    assert done <= kept
    rest = run(*command)
    assert (rest.status, len(rest.objects)) == (0, 24 - len(kept))
    assert kept < {row["track_id"] for row in run("tracks", "-c", tmp_path / "c", "--json").objects}


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
    for words in (f"{len(sounds()) + 1} embedded\n", "nothing new\n"):
        ran = run("import", tmp_path / "out.parquet", "--catalogue", tmp_path / "second")
        assert (ran.status, ran.out) == (0, words)


def test_an_embed_on_a_cluster_needs_to_know_what_and_where_to(run: Run, music: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ray = ["--engine", "ray"]
    local_only = (["--prune"], ["--profile"], ["--nice"], ["--cpu-budget", "50%"])
    for words in (ray, ["--out", out], *([*ray, "--out", out, *option] for option in local_only)):
        ran = run("embed", music, *words)
        assert ran.status == 2
        assert "--out" in ran.err
    assert not out.exists()
