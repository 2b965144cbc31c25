import threading
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from audio_engine.training import pretraining
from audio_engine.training.pretraining import pretrain
from features.decode import Segments, decode_segments
from features.recipe import MelRecipe
from metric_learning.pretrain_config import PretrainConfig
from tests.listening_world import N_WARM, RECIPE


def test_no_more_than_a_few_files_are_decoded_ahead(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [world / f"t{i}.wav" for i in range(N_WARM)]
    n_decoded, lock = [0], threading.Lock()

    def decode(file: Path, recipe: MelRecipe) -> Segments:
        with lock:
            n_decoded[0] += 1
        return decode_segments(file, recipe)

    monkeypatch.setattr(pretraining, "decode_segments", decode)
    monkeypatch.setattr(pretraining.os, "cpu_count", lambda: 1)
    found = []
    for n_read, decoded in enumerate(pretraining._decoded(files, RECIPE), start=1):
        assert n_decoded[0] <= n_read + pretraining.AHEAD + 1
        found.append(decoded.result().segments)
    np.testing.assert_array_equal(found[7], decode_segments(files[7], RECIPE).segments)
    assert len(found) == N_WARM


def test_a_file_that_cannot_be_read_is_left_out_and_named(world: Path, tmp_path: Path) -> None:
    table = pl.read_parquet(world / "tracks.parquet").filter(pl.col("split") == "train").head(12).drop("split")
    table.write_csv(tmp_path / "whole.csv")
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    bad = pl.DataFrame(
        {"track": ["bad", "gone"], "file": [f"{tmp_path}/bad.wav", "gone.wav"], "artist_key": ["x", "y"]}
    )
    pl.concat([bad, table.select(bad.columns)]).write_csv(tmp_path / "more.csv")
    said: list[str] = []
    config = PretrainConfig(seed=1)
    models = [
        pretrain(
            tmp_path / name,
            world,
            tmp_path / "model",
            start_from=world / "start",
            config=config,
            on_progress=said.append,
        )
        for name in ("whole.csv", "more.csv")
    ]
    assert models[0] == models[1]
    assert [line.split(" is left out: ")[0] for line in said] == [f"{tmp_path}/bad.wav", f"{world}/gone.wav"]
    bad.write_csv(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"audio must hold at least 2 files that can be read, got 0 of 2 in"):
        pretrain(tmp_path / "none.csv", world, tmp_path / "model", start_from=world / "start", config=config)
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"damaged\.parquet must be a table that can be read"):
        pretrain(tmp_path / "damaged.parquet", world, tmp_path / "model")
