"""The audio tower in training, as a Lightning module: a step, its loss, and the validation on cold tracks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytorch_lightning as pl
import torch
from scipy.sparse import csr_array
from torch import Tensor

from metric_learning.augment import augment
from metric_learning.encoder import AudioEncoder
from metric_learning.listening_data import DrawnSegments, ListeningSteps, Mels, Step, StepSizes
from metric_learning.losses import hinge_loss, pairwise_loss, softmax_loss
from metric_learning.temporary_array import temporary_array
from metric_learning.user_auc import cell_similarities, mean_user_auc

Loss = Literal["softmax", "hinge", "pairwise"]
POOLED = 2  # axes of pooled embeddings: tracks, numbers
COLD_AUC = "cold_auc"  # the measure of the validation
COLD_ROWS = 2_048  # cold tracks embedded at a time


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

    @property
    def part(self) -> str:
        """What is trained, for the names of measures."""
        return "features" if self.trains_features else "head"

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
        found = {f"{self.part}/{name}": value for name, value in found.items()}
        self.log_dict(found, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(rows))
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
        self.log(f"{self.part}/{COLD_AUC}", self.cold_auc(), sync_dist=True, batch_size=1)

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
        """Pool the cold tracks, (n_cold, segment_dim), standardised, into a file; once, if their features are fixed."""
        if self.pooled_cold is None or self.trains_features:
            pooled = temporary_array((len(self.cold.log_mel), self.encoder.config.segment_dim))
            for row, log_mel in enumerate(self.cold.log_mel):
                track = torch.from_numpy(log_mel[None].astype(np.float32)).to(self.device)
                pooled[row] = self.encoder.standardise(self.encoder.pool(track))[0].cpu().numpy()
            self.pooled_cold = torch.from_numpy(pooled)
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
