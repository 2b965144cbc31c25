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
