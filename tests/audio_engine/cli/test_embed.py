"""`embed` on the command line: what it does, says, counts, and keeps when it is stopped."""

import json
import shlex
import signal
import time
from pathlib import Path

from tests.audio_engine.cli.music import sounds, start, write_sound
from tests.command_line import Run


def test_embedding_sums_up_names_what_failed_and_says_what_to_type_next(run: Run, music: Path, tmp_path: Path) -> None:
    ran = run("embed", music, "-c", tmp_path, "--workers", "1")
    assert ran.status == 1
    assert ran.out == "6 embedded, 1 failed\n"
    assert f"failed: {music / 'broken.mp3'}: " in ran.err
    assert f"audio-engine errors -c {tmp_path} says why" in ran.err
    assert "embedding: 7 to do" in ran.err
    [line] = [line for line in ran.err.splitlines() if line.startswith("next: ")]
    typed = shlex.split(line.removeprefix("next: audio-engine "))
    assert run(*typed).status == 0  # what it says to type works


def test_embedding_again_does_nothing(run: Run, music: Path, catalogue: Path) -> None:
    ran = run("embed", music, "-c", catalogue)
    assert (ran.status, ran.out) == (0, "6 unchanged\n")
    assert "1 failed before and were skipped" in ran.err


def test_a_dry_run_does_nothing(run: Run, music: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    assert run("embed", music, "-c", new, "--dry-run").out == "7 new (dry run: nothing was done)\n"
    [counts] = run("embed", music, "-c", new, "--dry-run", "--json").objects
    assert counts == {"new": 7, "changed": 0, "outdated": 0, "unchanged": 0, "failed_before": 0, "missing": 0}
    assert not new.exists()


def test_a_profile_lists_the_stages_and_does_nothing(run: Run, music: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    ran = run("embed", music, "--catalogue", new, "--profile")
    assert ran.status == 0
    assert [line.split()[0] for line in ran.out.splitlines()] == [
        *("read", "decode", "resample", "mel", "network", "write", "in", "rate"),
    ]
    ran = run("embed", music, "--catalogue", new, "--profile", "--json")
    assert 0 < ran.objects[0]["decode_share"] < 1
    assert not new.exists()


def test_embedding_gives_way_and_keeps_to_its_budget(music: Path, tmp_path: Path) -> None:
    ran = start("embed", music, "--catalogue", tmp_path, "--nice", "--cpu-budget", "50%")
    assert "embedded" in ran.communicate()[0]


def test_embedding_for_programs_gives_an_object_a_file_and_words_on_stderr(
    run: Run, music: Path, catalogue: Path
) -> None:
    ran = run("embed", music, "-c", catalogue, "--force", "--json")
    assert [row["status"] for row in ran.objects].count("embedded") == 6
    assert {tuple(row) for row in ran.objects} == {("status", "path", "track_id", "error", "warnings")}
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


def test_failed_files_are_tried_again_on_request(run: Run, music: Path, catalogue: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_text("still a letter")
    run("embed", broken, "-c", catalogue)
    write_sound(broken, sounds()["chord"])
    ran = run("errors", "--retry", "-c", catalogue)
    assert (ran.status, ran.out) == (1, "1 embedded, 1 failed\n")


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
    assert f"stopped: {len(done)} done and kept; run the same command again to continue" in err

    kept = {row["track_id"] for row in run("tracks", "-c", tmp_path / "c", "--json").objects}
    assert done <= kept
    rest = run(*command)
    assert (rest.status, len(rest.objects)) == (0, 24 - len(kept))
    assert kept < {row["track_id"] for row in run("tracks", "-c", tmp_path / "c", "--json").objects}


def test_an_embed_on_a_cluster_needs_to_know_what_and_where_to(run: Run, music: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ray = ["--engine", "ray"]
    local_only = (["--prune"], ["--profile"], ["--nice"], ["--cpu-budget", "50%"])
    for words in (ray, ["--out", out], *([*ray, "--out", out, *option] for option in local_only)):
        ran = run("embed", music, *words)
        assert ran.status == 2
        assert "--out" in ran.err
    assert not out.exists()
