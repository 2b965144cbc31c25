"""What decoding lost or mended is kept beside the track, counted and listed."""

from pathlib import Path

import numpy as np
import polars as pl
import soundfile

from audio_engine import Engine
from tests.command_line import Run
from tests.sounds import melody, write_sound


def write_turned(path: Path) -> Path:
    """Write a track whose channels cancel each other."""
    left = melody(12.0, 22_050, seed=1)
    soundfile.write(path, np.hstack([left, -left]), 22_050)
    return path


def test_a_warning_is_kept_counted_listed_and_exported(run: Run, tmp_path: Path) -> None:
    (music := tmp_path / "music").mkdir()
    write_sound(music / "clean.wav")
    write_turned(music / "turned.wav")
    directory = ("-c", tmp_path / "catalogue")
    embedded = run("embed", music, *directory)
    assert embedded.status == 0
    assert "1 with warnings: audio-engine errors --warnings" in embedded.err
    [warned] = run("errors", "--warnings", "--json", *directory).objects
    assert "channels cancel each other" in str(warned["warning"])
    assert "turned.wav" in run("errors", "--warnings", *directory).out
    assert run("info", "--json", *directory).objects[0]["n_with_warnings"] == 1
    run("export", tmp_path / "vectors.parquet", *directory)
    assert (pl.read_parquet(tmp_path / "vectors.parquet")["warnings"] != "").sum() == 1


def test_a_copy_carries_the_warning_and_a_mended_file_loses_it(tmp_path: Path) -> None:
    turned = write_turned(tmp_path / "turned.wav")
    (tmp_path / "copy.wav").write_bytes(turned.read_bytes())
    with Engine.open(tmp_path / "catalogue") as engine:
        assert [result.status for result in engine.embed(turned)] == ["embedded"]
        [copied] = engine.embed(tmp_path / "copy.wav")
        assert copied.warnings
        assert len(engine.warnings()) == 2
        left = melody(12.0, 22_050, seed=2)
        soundfile.write(turned, np.hstack([left, left]), 22_050)
        assert [result.warnings for result in engine.embed(turned)] == [()]
        assert [track.path.name for track in engine.warnings()] == ["copy.wav"]


def test_a_file_that_was_cut_short_is_embedded_and_named_once(run: Run, tmp_path: Path) -> None:
    (music := tmp_path / "music").mkdir()
    content = write_sound(music / "cut.wav", 12.0).read_bytes()
    (music / "cut.wav").write_bytes(content[: len(content) // 2])
    said = "it was cut short: it holds 6.0 s, not the 12.0 s that it declares"
    embedded = run("embed", music, "-c", tmp_path / "catalogue")
    assert (embedded.status, embedded.out) == (0, "1 embedded\n")
    assert embedded.err.count(f"warning: {music / 'cut.wav'}: {said}") == 1
    [row] = run("embed", music, "--force", "-c", tmp_path / "catalogue", "--json").objects
    assert (row["status"], row["warnings"]) == ("embedded", [said])
