"""Metric learning of the audio tower: one liked track against n others, for each user.

Users are the vectors of a trained user tower. Starting from the closed-form fit of its listening head, the encoder is
trained so that what a user liked lies nearer to them than what they rejected: its head alone, on pooled embeddings, or
the taught features below it too, on log-mels. Training stops when the validation on tracks that nobody in training
has played no longer improves, and the best state is kept.
"""

import copy
import logging
import pickle
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.warnings import PossibleUserWarning
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import Logger
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from metric_learning.listening_module import COLD_AUC, ListeningModule, ListeningTraining

logger = logging.getLogger(__name__)

LAST, BEST = "last", "best"  # checkpoints in the folder of a training


class _StopOnce(EarlyStopping):
    """Early stopping that also holds when a training that had stopped is run again."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop at once if the patience had already run out."""
        trainer.should_stop = self.wait_count >= self.patience


def _newest_checkpoint(log_dir: Path) -> Path | None:
    """Find the checkpoint to resume from: the last one if it is whole; the training ends the same from each."""
    for file in filter(Path.exists, (log_dir / f"{LAST}.ckpt", log_dir / f"{BEST}.ckpt")):
        try:
            torch.load(file, map_location="cpu", weights_only=False)
        except (RuntimeError, OSError, EOFError, ValueError, LookupError, pickle.UnpicklingError) as error:
            logger.warning("checkpoint %s is damaged, training resumes without it: %s", file, error)
        else:
            return file
    return None


def train_listening(
    module: ListeningModule,
    *,
    log_dir: Path,
    callbacks: Sequence[Callback] = (),
    loggers: Sequence[Logger] = (),
) -> float:
    """Train an audio tower; run again with the same folder after a kill, it resumes.

    Parameters
    ----------
    module
        Its encoder is trained in place; the state with the best cold AUC is kept, which may be the initial one.
    log_dir
        For checkpoints.
    callbacks
        Further Lightning callbacks.
    loggers
        Where the measures of each epoch go; their names begin with `ListeningModule.part`.

    Returns
    -------
    cold_auc
        Of the state that is kept.
    """
    numbers, measure = module.training_numbers, f"{module.part}/{COLD_AUC}"
    best = ModelCheckpoint(log_dir, filename=BEST, monitor=measure, mode="max", enable_version_counter=False)
    last = ModelCheckpoint(log_dir, filename=LAST, enable_version_counter=False)  # of every epoch, the better or not
    stop = _StopOnce(measure, mode="max", patience=numbers.patience)
    numbered = DataLoader(cast("Dataset[int]", range(module.steps.sizes.n_steps)), batch_size=None)
    one: DataLoader[tuple[Tensor, ...]] = DataLoader(TensorDataset(torch.zeros(1)))  # one step over all cold tracks
    with _quiet_lightning():
        pl.seed_everything(numbers.seed)
        first_auc, first = module.eval().cold_auc(), copy.deepcopy(module.encoder.state_dict())
        module.train()
        trainer = _trainer(numbers, log_dir, callbacks=[best, last, stop, *callbacks], loggers=loggers)
        trainer.fit(module, numbered, one, ckpt_path=_newest_checkpoint(log_dir), weights_only=False)
    if not trainer.is_global_zero:
        raise SystemExit(0)  # Lightning runs the whole program once per device: only the first saves and reports
    found = float(best.best_model_score) if best.best_model_score is not None else 0.0
    if found > first_auc:
        state = torch.load(best.best_model_path, map_location="cpu", weights_only=False)["state_dict"]
        prefix = "encoder."
        module.encoder.load_state_dict({n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)})
    else:
        module.encoder.load_state_dict(first)
    module.encoder.requires_grad_(requires_grad=True)
    module.encoder.cpu().eval()
    return max(found, first_auc)


def _trainer(
    numbers: ListeningTraining, log_dir: Path, *, callbacks: list[Callback], loggers: Sequence[Logger]
) -> pl.Trainer:
    """Make a trainer: on the GPUs that there are, in half precision where they can."""
    on_gpu = torch.cuda.is_available()
    return pl.Trainer(
        accelerator="gpu" if on_gpu else "cpu",
        devices=numbers.n_devices,
        strategy="ddp" if numbers.n_devices > 1 else "auto",
        precision=("bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed") if on_gpu else "32-true",
        max_epochs=numbers.max_epochs,
        callbacks=callbacks,
        logger=list(loggers) or False,
        default_root_dir=log_dir,
        enable_model_summary=False,
        enable_progress_bar=False,  # it would draw on stdout, which is for programs
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        use_distributed_sampler=False,  # every device draws steps of its own
    )


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's notes, tips and advertisements off stderr; what it warns of besides is still said."""
    talkers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    levels = [each.level for each in talkers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PossibleUserWarning)  # how many workers to load with, and the like
        warnings.filterwarnings("ignore", "Checkpoint directory .* exists", UserWarning)
        warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated")  # which Lightning itself asks torch for
        for each in talkers:
            each.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for each, level in zip(talkers, levels, strict=True):
                each.setLevel(level)
