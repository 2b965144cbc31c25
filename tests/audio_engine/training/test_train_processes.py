"""`train` as separate processes: killed in the middle of an epoch, and two at once."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import torch

from metric_learning.checkpoint import load_checkpoint
from metric_learning.train_listening import LAST
from tests.listening_world import RECIPE

pytest.importorskip("pytorch_lightning")
N_EPOCHS = 3
LAST_FILE = Path("training", "head", f"{LAST}.ckpt")

pytestmark = pytest.mark.slow


def command(world: Path, out: Path, *options: str) -> list[str]:
    """Write a training on the command line."""
    plays = ["--plays", f"{world}/plays_train.parquet", "--cold-plays", f"{world}/plays_valid_cold.parquet"]
    sounds = ["--tracks", f"{world}/tracks.parquet", "--audio", str(world), "--store", str(out.with_name("mels"))]
    model = ["--start-from", f"{world}/start", "--out", str(out), "--max-epochs", str(N_EPOCHS), "--json"]
    return [sys.executable, "-m", "audio_engine.cli.main", "train", *plays, *sounds, *model, *options]


def test_a_training_that_is_killed_twice_ends_where_it_would_have_ended(world: Path, tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for epoch in (0, 1):
        process = subprocess.Popen(command(world, killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until_done(epoch, killed, process)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not (killed / "recipe.json").exists()
    for out in (killed, whole):
        ended = subprocess.run(command(world, out), check=True, capture_output=True, text=True)
        assert json.loads(ended.stdout)["cold_auc"] > 0.9  # and nothing else, such as a bar of progress
        assert set(re.findall("litlogger|Tip|PU available|Seed|Warning|Trainer", ended.stderr)) == set()
    for weights in (
        [load_checkpoint(out)[0].state_dict() for out in (killed, whole)],  # of the best epoch
        [torch.load(out / LAST_FILE, weights_only=False)["state_dict"] for out in (killed, whole)],
    ):
        assert all(torch.allclose(weights[0][name], weights[1][name], atol=1e-6) for name in weights[0])
    assert [first_epoch(killed / "training" / "csv" / f"version_{run}") for run in (1, 2)] == [1, 2]  # not anew


def test_two_processes_train_one_model_and_one_of_them_speaks(world: Path, tmp_path: Path) -> None:
    ended = subprocess.run(
        command(world, tmp_path / "model", "--devices", "2"), check=True, capture_output=True, text=True
    )
    answers = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    assert len(answers) == 1
    assert answers[0]["cold_auc"] > 0.9
    assert load_checkpoint(tmp_path / "model")[1] == RECIPE


def wait_until_done(epoch: int, out: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the checkpoint of an epoch is there, as long as the process lives."""
    before = -1
    while before < epoch and process.poll() is None:
        time.sleep(0.005)
        if (out / LAST_FILE).exists():
            before = int(torch.load(out / LAST_FILE, weights_only=False)["epoch"])


def first_epoch(folder: Path) -> int:
    """Read with which epoch a run began."""
    return int(pl.read_csv(folder / "metrics.csv")["epoch"].drop_nulls()[0])
