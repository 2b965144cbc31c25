"""Measures of training go to any logger of Lightning, or to those that are named."""

from collections import defaultdict
from pathlib import Path

import pytest

import audio_engine
from audio_engine.training.loggers import open_loggers

pytest.importorskip("pytorch_lightning")
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


class Recorder(Logger):
    """Someone's own logger."""

    name = version = "recorder"

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, dict[int, float]] = defaultdict(dict)

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        for name, value in metrics.items():
            self.found[name][step or 0] = value

    def log_hyperparams(self, *_: object, **__: object) -> None:
        pass


def test_a_training_tells_a_logger_of_each_part(world: Path, tmp_path: Path) -> None:
    files = audio_engine.TrainingFiles(
        plays=world / "plays_train.parquet",
        cold_plays=world / "plays_valid_cold.parquet",
        tracks=world / "tracks.parquet",
        audio=world,
    )
    own, said = Recorder(), []
    out, settings = tmp_path / "model", audio_engine.TrainingSettings.of(max_epochs=2, below_head=True)
    start = {"start_from": world / "start", "store": tmp_path / "mels", "on_progress": said.append}
    trained = audio_engine.train(files, out, settings=settings, loggers=[own, "csv"], **start)
    assert min(own.found["user tower/held_loss"].values()) == pytest.approx(trained.user_loss)
    assert {f"{part}/{name}" for part in ("head", "features") for name in ("loss", "cold_auc")} <= set(own.found)
    assert len(own.found["head/cold_auc"]) == 2
    assert sum("epoch 2 of at most 2" in line and ", cold_auc " in line for line in said) == 2
    (written,) = out.glob("training/csv/*/metrics.csv")
    assert {"user tower/held_loss", "features/cold_auc"} <= set(written.read_text().splitlines()[0].split(","))
    assert not (out / "training" / "tensorboard").exists()


def test_pretraining_tells_a_logger_how_far_each_axis_tells_makers_apart(world: Path, tmp_path: Path) -> None:
    own = Recorder()
    config = audio_engine.PretrainConfig(n_versions=1, n_components=6)
    options = {"start_from": world / "start", "config": config}
    audio_engine.pretrain(world / "tracks.parquet", world, tmp_path / "model", loggers=[own, "tensorboard"], **options)
    ratios = own.found["pretrain/scatter_ratio"]
    assert list(ratios.values())[:6] == sorted(ratios.values(), reverse=True)[:6]
    assert ratios[0] > 1
    assert list((tmp_path / "model" / "training").glob("tensorboard/*/events.out.tfevents.*"))


def test_loggers_have_names(tmp_path: Path) -> None:
    assert [type(each) for each in open_loggers(["csv", "tensorboard", "none"], tmp_path)] == [
        CSVLogger,
        TensorBoardLogger,
    ]
    with pytest.raises(ValueError, match="logger must be one of tensorboard, csv, none, got 'wandb'"):
        open_loggers(["wandb"], tmp_path)
