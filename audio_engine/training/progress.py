"""Progress of the audio tower's training: a line of text an epoch, with the time left."""

from collections.abc import Callable

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from metric_learning.time_left import TimeLeft


class EpochLines(Callback):
    """Tells how far a training is, at the end of each epoch.

    Parameters
    ----------
    on_progress
        Called with a line of text.
    """

    def __init__(self, on_progress: Callable[[str], None]) -> None:
        self.on_progress = on_progress

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to measure the pace, after the epochs of an earlier run."""
        self.time_left = TimeLeft(total=trainer.max_epochs or 0, done=trainer.current_epoch)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell it."""
        n_done = trainer.current_epoch + 1
        found = ", ".join(
            f"{name.rpartition('/')[2]} {float(value):.4f}" for name, value in sorted(trainer.callback_metrics.items())
        )
        if trainer.is_global_zero:
            self.on_progress(
                f"audio tower: epoch {n_done} of at most {trainer.max_epochs}, {found}, "
                f"at most {self.time_left.after(n_done)}"
            )
