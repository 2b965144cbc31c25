"""Metric learning of the audio tower: one liked track against n others, for each user.

Users are the vectors of a trained user tower. Starting from the closed-form fit of its listening head, the encoder is
trained so that what a user liked lies nearer to them than what they rejected: its head alone, on pooled embeddings, or
the taught features below it too, on log-mels. Training stops when the validation on tracks that nobody in training
has played no longer improves, and the best state is kept.
"""

import copy
import logging
import pickle
from pathlib import Path
from typing import cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from metric_learning.listening_module import ListeningModule

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


def train_listening(module: ListeningModule, *, log_dir: Path, callbacks: tuple[Callback, ...] = ()) -> float:
    """Train an audio tower; run again with the same folder after a kill, it resumes.

    Parameters
    ----------
    module
        Its encoder is trained in place; the state with the best cold AUC is kept, which may be the initial one.
    log_dir
        For checkpoints, and a log of each run in ``csv`` and ``tensorboard``.
    callbacks
        Further Lightning callbacks, such as a progress bar.

    Returns
    -------
    cold_auc
        Of the state that is kept.
    """
    numbers = module.training_numbers
    pl.seed_everything(numbers.seed)
    first_auc, first = module.eval().cold_auc(), copy.deepcopy(module.encoder.state_dict())
    module.train()
    best = ModelCheckpoint(log_dir, filename=BEST, monitor="cold_auc", mode="max", enable_version_counter=False)
    last = ModelCheckpoint(log_dir, filename=LAST, enable_version_counter=False)  # of every epoch, the better or not
    stop = _StopOnce("cold_auc", mode="max", patience=numbers.patience)
    on_gpu = torch.cuda.is_available()
    trainer = pl.Trainer(
        accelerator="gpu" if on_gpu else "cpu",
        devices=numbers.n_devices,
        strategy="ddp" if numbers.n_devices > 1 else "auto",
        precision=("bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed") if on_gpu else "32-true",
        max_epochs=numbers.max_epochs,
        callbacks=[best, last, stop, *callbacks],
        logger=[CSVLogger(log_dir, name="csv"), TensorBoardLogger(log_dir, name="tensorboard")],
        default_root_dir=log_dir,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        use_distributed_sampler=False,  # every device draws steps of its own
    )
    one: DataLoader[tuple[Tensor, ...]] = DataLoader(
        TensorDataset(torch.zeros(1))
    )  # validation is one step over all cold tracks
    numbered = DataLoader(cast("Dataset[int]", range(module.steps.sizes.n_steps)), batch_size=None)
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
