"""Metric learning of the audio tower: one liked track against n others, for each user.

Users are the vectors of a trained user tower. Starting from the closed-form fit of its listening head, the encoder is
trained so that what a user liked lies nearer to them than what they rejected: its head alone, on pooled embeddings, or
the taught features below it too, on log-mels. Training stops when the validation on tracks that nobody in training
has played no longer improves, and the best state is kept.
"""

import copy
import logging
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from scipy.sparse import csr_array
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from metric_learning.augment import augment
from metric_learning.encoder import AudioEncoder
from metric_learning.listening_data import DrawnSegments, ListeningSteps, Mels, Step, StepSizes
from metric_learning.losses import hinge_loss, pairwise_loss, softmax_loss

logger = logging.getLogger(__name__)

Loss = Literal["softmax", "hinge", "pairwise"]
LAST, BEST = "last", "best"  # checkpoints in the folder of a training
POOLED = 2  # axes of pooled embeddings: tracks, numbers
COLD_ROWS = 2_048  # cold tracks embedded at a time
CELLS_TOGETHER = 1 << 18  # of users and cold tracks that are compared at a time, 80 MB


@dataclass(frozen=True, kw_only=True)
class ListeningTraining:
    """The hyperparameters of audio tower training."""

    sizes: StepSizes = field(default_factory=StepSizes)
    loss: Loss = "hinge"
    margin: float = 0.2  # cosine, of the hinge
    temperature: float = 0.1  # of softmax and pairwise loss
    anchor: float = 1.0  # weight of staying near the vectors of warm tracks in the closed-form fit
    relative_rate: float = 1e-3  # learning rate, relative to the typical size of the weights
    augmented: bool = True  # augment warm tracks with random channels
    max_epochs: int = 20
    patience: int = 4  # epochs without a better cold validation before training stops
    n_devices: int = 1
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class ColdTracks:
    """Tracks that nobody in training has played, for early stopping."""

    log_mel: Mels  # (n_cold, n_segments, n_mels, n_frames)
    feedback: csr_array  # (n_users, n_cold) 1 liked, -1 disliked or skipped, no cell otherwise


class ListeningModule(pl.LightningModule):
    """The audio tower in training.

    Parameters
    ----------
    encoder
        With a fitted listening head.
    users : (n_users, dim)
        Unit vectors of users.
    anchors : (n_warm, dim)
        Unit vectors of warm tracks before training.
    cold
        The validation set: tracks that were not trained on.
    steps
        The training steps.
    training
        How.
    """

    users: Tensor
    anchors: Tensor

    def __init__(  # noqa: PLR0913  (all that a training is made of)
        self,
        encoder: AudioEncoder,
        *,
        users: Tensor,
        anchors: Tensor,
        cold: ColdTracks,
        steps: ListeningSteps,
        training: ListeningTraining,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.training_numbers = training
        self.cold, self.steps = cold, steps
        self.register_buffer("users", users, persistent=False)
        self.register_buffer("anchors", anchors, persistent=False)
        self.generator = torch.Generator()
        self.drawn: Iterator[Step] = iter(())  # steps of this epoch
        self.trains_features = isinstance(steps.sounds, DrawnSegments)
        self.pooled_cold: Tensor | None = None
        encoder.requires_grad_(requires_grad=True)
        encoder.filters.requires_grad_(requires_grad=False)  # fixed, as the statistics beside them: a third of the time
        if encoder.taught is not None:
            encoder.taught.requires_grad_(self.trains_features)

    def training_step(self, batch: int, batch_idx: int) -> Tensor:
        """Compute the loss of a step, `batch` its number.

        What an epoch draws depends on its number alone: a training that was killed goes on as if it had not been. So
        it is drawn here, and not by the loader, from which Lightning takes a first batch before it tells the epoch.
        """
        if batch == 0:
            self.drawn = self.steps.draw_epoch(self.current_epoch)
            self.generator.manual_seed(self.training_numbers.seed + self.current_epoch)
        sound, rows, user, liked, disliked, present = (tensor.to(self.device) for tensor in next(self.drawn))
        vectors = self.embed(sound)
        disliked, present = nearest_first(self.users[user], vectors, disliked, present=present)
        kept = slice(self.training_numbers.sizes.n_disliked)
        ranking_loss = listening_loss(
            self.users[user],
            vectors[liked],
            vectors[disliked[:, kept]],
            present=present[:, kept],
            training=self.training_numbers,
        )
        anchor_drift = 1 - (vectors * self.anchors[rows]).sum(-1).mean()
        loss: Tensor = ranking_loss + self.training_numbers.anchor * anchor_drift
        found = {"loss": loss, "ranking_loss": ranking_loss, "anchor_drift": anchor_drift}
        self.log_dict(found, prog_bar=True, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(rows))
        return loss

    def embed(self, sound: Tensor) -> Tensor:
        """Embed what a step has drawn: pooled embeddings, or segments through a random channel."""
        if sound.ndim == POOLED:
            return self.encoder.embed_pooled(sound)
        if self.training_numbers.augmented:
            sound = augment(sound.cpu(), self.generator).to(sound.device)
        vectors: Tensor = self.encoder(sound)
        return vectors

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """Log the AUC on cold tracks."""
        self.log("cold_auc", self.cold_auc(), prog_bar=True, sync_dist=True, batch_size=1)

    @torch.no_grad()
    def cold_auc(self) -> float:
        """Compute the mean over users of how often a liked cold track lies above a rejected one."""
        feedback = self.cold.feedback.tocoo()
        if not feedback.nnz:
            return 0.5
        rows = [
            self.encoder.embed_pooled(pooled.to(self.device))
            for pooled in torch.split(self.cold_embeddings(), COLD_ROWS)
        ]
        user, track = (torch.from_numpy(each.astype(np.int64)).to(self.device) for each in feedback.coords)
        similarity = cell_similarities(self.users, torch.cat(rows).float(), user=user, track=track)
        return float(mean_user_auc(similarity, user, torch.from_numpy(feedback.data > 0).to(self.device)))

    def cold_embeddings(self) -> Tensor:
        """Pool the cold tracks, (n_cold, segment_dim), standardised; once, if their features are not trained."""
        if self.pooled_cold is None or self.trains_features:
            tracks = (torch.from_numpy(track[None].astype(np.float32)).to(self.device) for track in self.cold.log_mel)
            self.pooled_cold = torch.cat([self.encoder.standardise(self.encoder.pool(track)).cpu() for track in tracks])
        return self.pooled_cold

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Set each tensor's learning rate in proportion to its typical size."""
        rate = self.training_numbers.relative_rate
        groups = [
            {"params": [tensor], "lr": rate * max(float(tensor.detach().square().mean().sqrt()), 1e-6)}
            for tensor in self.encoder.parameters()
            if tensor.requires_grad
        ]
        return torch.optim.Adam(groups)


def listening_loss(
    user: Tensor, liked: Tensor, disliked: Tensor, *, present: Tensor, training: ListeningTraining
) -> Tensor:
    """Compute the configured loss on unit vectors: see `metric_learning.losses`."""
    if training.loss == "hinge":
        return hinge_loss(user, liked, disliked, margin=training.margin, present=present)
    loss = {"softmax": softmax_loss, "pairwise": pairwise_loss}[training.loss]
    return loss(user, liked, disliked, temperature=training.temperature, present=present)


def nearest_first(users: Tensor, vectors: Tensor, disliked: Tensor, *, present: Tensor) -> tuple[Tensor, Tensor]:
    """Sort each user's negatives, the hardest first: those that are present and nearest to the user.

    Parameters
    ----------
    users : (n_triplets, dim)
        Of the triplets.
    vectors : (n_tracks, dim)
        Of the tracks of a step.
    disliked, present : (n_triplets, n)
        Places among those tracks; where there is one.

    Returns
    -------
    disliked, present : (n_triplets, n)
    """
    with torch.no_grad():
        near = torch.einsum("td,tnd->tn", users, vectors[disliked]).masked_fill(~present, -torch.inf)
        order = near.argsort(dim=1, descending=True)
    return disliked.gather(1, order), present.gather(1, order)


def cell_similarities(users: Tensor, tracks: Tensor, *, user: Tensor, track: Tensor) -> Tensor:
    """Compare users with tracks in some cells of their table only.

    Parameters
    ----------
    users, tracks : (n_users, dim), (n_tracks, dim)
        Vectors.
    user, track : (n_cells,)
        Row and column of each cell.

    Returns
    -------
    similarity : (n_cells,)
        Inner products.
    """
    blocks = [slice(start, start + CELLS_TOGETHER) for start in range(0, len(user), CELLS_TOGETHER)]
    return torch.cat([(users[user[block]] * tracks[track[block]]).sum(-1) for block in blocks])


def mean_user_auc(similarity: Tensor, user: Tensor, liked: Tensor) -> Tensor:
    """Average over users how often a track that they liked lies above one that they rejected.

    Parameters
    ----------
    similarity : (n_cells,)
        Of a user and a track that they liked or rejected; more is better. Of two that are equal, the first counts as
        the lower.
    user : (n_cells,)
        Row of the user.
    liked : (n_cells,)
        Whether they liked the track.

    Returns
    -------
    auc : ()
        Over users with both; 0.5 where there are none.
    """
    by_similarity = similarity.argsort(stable=True)
    order = by_similarity[user[by_similarity].argsort(stable=True)]
    user, won = user[order], liked[order].double()
    lost = 1 - won
    n_liked, n_rejected = torch.bincount(user, won), torch.bincount(user, lost)
    below = lost.cumsum(0) - lost - (n_rejected.cumsum(0) - n_rejected)[user]  # rejected tracks of the same user
    wins, pairs = torch.bincount(user, won * below), n_liked * n_rejected
    comparable = pairs > 0
    return (wins[comparable] / pairs[comparable]).mean() if bool(comparable.any()) else torch.tensor(0.5)


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


def unit_vectors(encoder: AudioEncoder, log_mel: Mels) -> Tensor:
    """Embed tracks one by one: (n_tracks, n_segments, n_mels, n_frames) to (n_tracks, dim)."""
    with torch.no_grad():
        return torch.cat([encoder(torch.from_numpy(track[None].astype(np.float32))) for track in log_mel])
