"""Training of a model on plays: the user tower, the listening head, and the audio tower.

The user tower is trained on the plays of warm tracks, the listening head is fitted in closed form, and the audio tower
is trained by metric learning, with early stopping on cold tracks.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Self, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning.loggers import Logger

from audio_engine.training.loggers import log_to
from audio_engine.training.pooling import embed_rows, pool_twice
from audio_engine.training.progress import EpochLines
from metric_learning.checkpoint import load_checkpoint, save_checkpoint
from metric_learning.encoder import AudioEncoder
from metric_learning.listening_data import DrawnEmbeddings, DrawnSegments, ListeningSteps, Mels, StepSizes
from metric_learning.listening_head import ListeningHead, fit_listening_head
from metric_learning.listening_module import ColdTracks, ListeningModule, ListeningTraining, Loss
from metric_learning.play_log import PlayLog
from metric_learning.play_table import PlayTable
from metric_learning.spectral_start import spectral_track_vectors
from metric_learning.train_listening import train_listening
from metric_learning.train_user import UserTraining, train_user_tower
from metric_learning.turning import turn_towards
from metric_learning.user import UserTower, embed_users
from metric_learning.user_checkpoint import save_user_tower
from metric_learning.user_recipe import UserColumn, UserRecipe

logger = logging.getLogger(__name__)

N_RANDOM = 1_024  # random features of the listening head
HEAD_TRACKS = 1_024  # tracks in a step of training the head alone
TURN_ROWS = 20_000  # tracks, at least, by which the turn of the other part is found
USER_CHECKPOINT = "user_tower.pt"  # of the user tower, in the folder of a training


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How to train a model on listening."""

    user: UserTraining = field(default_factory=UserTraining)
    audio: ListeningTraining = field(default_factory=ListeningTraining)
    listening_share: float = 0.15  # of the squared length of a track's vector; more, and what sounds alike suffers
    agreement: float = 0.6  # see `metric_learning.turning`
    below_head: bool = False  # train the taught features too, after the head

    @classmethod
    def of(  # noqa: PLR0913  (as many as a person may want to set)
        cls,
        *,
        loss: str = "hinge",
        n_disliked: int = 1,
        max_epochs: int = 20,
        below_head: bool = False,
        seed: int = 0,
        n_devices: int = 1,
    ) -> Self:
        """Set what a person may want to set; the rest stays as it was chosen.

        Parameters
        ----------
        loss
            Of metric learning: softmax, hinge or pairwise.
        n_disliked
            Tracks that a liked one is set against.
        max_epochs
            Epochs of metric learning at most; 0: the closed-form fit alone.
        below_head
            Whether to train the taught features too, after the head.
        seed
            Of everything that is random.
        n_devices
            GPUs.

        Raises
        ------
        ValueError
            When there is no such loss.
        """
        if loss not in get_args(Loss):
            raise ValueError(f"loss must be one of {', '.join(get_args(Loss))}, got {loss!r}")
        audio = ListeningTraining(
            sizes=StepSizes(n_disliked=n_disliked),
            loss=cast(Loss, loss),
            max_epochs=max_epochs,
            n_devices=n_devices,
            seed=seed,
        )
        return cls(user=UserTraining(seed=seed), audio=audio, below_head=below_head)


@dataclass(frozen=True, kw_only=True)
class ListeningData:
    """What a model learns from, as arrays."""

    n_users: int
    columns: tuple[UserColumn, ...]  # demographic ones
    categories: NDArray[np.int64]  # (n_users, n_columns) as they number their values
    warm_ids: tuple[str, ...]
    warm_artists: tuple[str, ...]
    warm_mels: Mels  # (n_warm, n_segments, n_mels, n_frames)
    plays: PlayLog  # of warm tracks, in order of users, which may be memory-mapped
    plays_by_track: PlayLog  # the same, in order of tracks
    cold: ColdTracks


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """The result of a training."""

    model_id: str
    user_loss: float  # of the user tower, on users left out
    fitted_auc: float | None  # cold tracks, liked against rejected, by the closed-form fit; None: nobody has both
    cold_auc: float | None  # and after metric learning


def train_model(  # noqa: PLR0913  (all that a training is made of)
    data: ListeningData,
    *,
    start_from: Path,
    out: Path,
    settings: TrainingSettings | None = None,
    on_progress: Callable[[str], None] = logger.info,
    loggers: Sequence[Logger] = (),
) -> TrainedModel:
    """Train a model on listening; run again with the same folder after a kill, it goes on where it was.

    Parameters
    ----------
    data
        Warm tracks with plays, and cold ones to stop on.
    start_from
        A model that was trained on sound alone: its filters and its projection are the start.
    out
        Where the model goes, and ``training/`` with checkpoints and logs.
    settings
        How.
    on_progress
        Called with a line of text as it goes on; by default it is logged.
    loggers
        Where its measures go.

    Returns
    -------
    trained
    """
    settings = settings or TrainingSettings()
    torch.manual_seed(settings.user.seed)
    table, tower = make_user_tower(data)
    checkpoint = out / "training" / USER_CHECKPOINT
    user_loss = train_user_tower(
        tower,
        table,
        training=settings.user,
        checkpoint=checkpoint,
        on_progress=on_progress,
        log_metrics=log_to(loggers, "user tower"),
    )
    pretrained, recipe = load_checkpoint(start_from)
    pooled = pool_twice(pretrained, data.warm_mels, seed=settings.audio.seed)
    encoder = fit_listening_encoder(pretrained, tower, table, pooled=pooled, data=data, settings=settings)
    users = torch.from_numpy(embed_users(tower, table))
    embeddings = DrawnEmbeddings(pooled=pooled, n_tracks=len(data.warm_ids))
    anchors = embed_rows(encoder, pooled[: len(data.warm_ids)])
    is_judged = _can_rank(data.cold)
    audio = settings.audio if is_judged else replace(settings.audio, max_epochs=0)
    if settings.audio.max_epochs and not is_judged:
        on_progress("no user liked one held-out track and rejected another: the closed-form fit is kept, AUC unknown")
    learn = partial(_learn, encoder, users=users, anchors=anchors, data=data, training=audio)
    learn = partial(learn, on_progress=on_progress, loggers=loggers)
    fitted_auc, cold_auc = learn(embeddings, log_dir=out / "training" / "head")
    if settings.below_head:
        segments = DrawnSegments(log_mel=data.warm_mels, n_segments=settings.audio.sizes.n_segments)
        _, cold_auc = learn(segments, log_dir=out / "training" / "features")
    model_id = save_checkpoint(out, encoder, recipe)
    save_user_tower(out, tower, data.warm_ids)
    if not is_judged:
        return TrainedModel(model_id=model_id, user_loss=user_loss, fitted_auc=None, cold_auc=None)
    return TrainedModel(model_id=model_id, user_loss=user_loss, fitted_auc=fitted_auc, cold_auc=cold_auc)


def fit_listening_encoder(  # noqa: PLR0913  (all that is known)
    pretrained: AudioEncoder,
    tower: UserTower,
    table: PlayTable,
    *,
    pooled: NDArray[np.float32],
    data: ListeningData,
    settings: TrainingSettings,
) -> AudioEncoder:
    """Give a pretrained encoder a listening head, in closed form, and turn its other part to agree with it.

    Parameters
    ----------
    pretrained
        Trained on sound alone.
    tower
        Trained on the plays of the warm tracks.
    table
        The plays.
    pooled : (2 * n_warm, segment_dim)
        From `pool_twice`.
    data
        Warm tracks.
    settings
        The seed of the channels through which each track is heard a second time, and the share of listening.

    Returns
    -------
    encoder
    """
    users, tracks = embed_users(tower, table), tower.offered.weight.detach().numpy()
    target = np.tile(tracks - tracks.mean(0), (2, 1))  # each track is pooled in two versions
    head = fit_listening_head(
        pooled[:, -pretrained.n_heard :],
        target,
        artists=[*data.warm_artists, *data.warm_artists],
        n_reduced=pretrained.config.n_reduced,
        n_random=N_RANDOM,
        seed=settings.audio.seed,
    )
    config = replace(pretrained.config, n_random=N_RANDOM, listening_share=settings.listening_share)
    encoder = AudioEncoder(config)
    rotation = _turn(pretrained, head, pooled[: len(data.warm_mels)], users=users, agreement=settings.agreement)
    encoder.load_state_dict(
        pretrained.state_dict()
        | {f"head.{name}": tensor for name, tensor in head.state_dict().items()}
        | {f"projection.{name}": rotation.T @ tensor for name, tensor in pretrained.projection.state_dict().items()}
    )
    return encoder.eval()


def _can_rank(cold: ColdTracks) -> bool:
    """Say whether any user liked one cold track and rejected another: else no AUC can be computed."""
    return bool(((cold.feedback > 0).sum(axis=1) * (cold.feedback < 0).sum(axis=1)).any())


def _turn(
    pretrained: AudioEncoder,
    head: ListeningHead,
    pooled: NDArray[np.float32],
    *,
    users: NDArray[np.float32],
    agreement: float,
) -> torch.Tensor:
    """Find the rotation of a pretrained encoder's vectors under which they disturb the head's the least."""
    inputs = torch.from_numpy(np.asarray(pooled[:: max(1, len(pooled) // TURN_ROWS)]))
    with torch.inference_mode():
        sound, taste = pretrained.sound_of(inputs), pretrained.taste_of(head, inputs)
    return torch.from_numpy(turn_towards(sound.numpy(), taste.numpy(), users, agreement=agreement)).float()


def _learn(  # noqa: PLR0913  (all that a training is made of)
    encoder: AudioEncoder,
    sounds: DrawnEmbeddings | DrawnSegments,
    *,
    users: torch.Tensor,
    anchors: torch.Tensor,
    data: ListeningData,
    training: ListeningTraining,
    log_dir: Path,
    on_progress: Callable[[str], None],
    loggers: Sequence[Logger],
) -> tuple[float, float]:
    """Train an encoder in place, by metric learning; return its cold AUC before and after."""
    if isinstance(sounds, DrawnEmbeddings):
        training = replace(training, sizes=replace(training.sizes, n_tracks=HEAD_TRACKS))
    steps = ListeningSteps(sounds, data.plays_by_track, data.n_users, sizes=training.sizes, seed=training.seed)
    module = ListeningModule(encoder, users=users, anchors=anchors, cold=data.cold, steps=steps, training=training)
    before = module.cold_auc()
    if training.max_epochs == 0:
        return before, before
    logger.info("metric learning in %s starts at a cold AUC of %.4f", log_dir.name, before)
    lines = EpochLines(on_progress)
    return before, train_listening(module, log_dir=log_dir, callbacks=(lines,), loggers=loggers)


def make_user_tower(data: ListeningData) -> tuple[PlayTable, UserTower]:
    """Make an untrained user tower for the data, and the table that it reads."""
    recipe = UserRecipe(n_tracks=len(data.warm_ids), columns=data.columns)
    tower = UserTower(recipe)
    tower.lean_towards(
        spectral_track_vectors(data.plays, n_users=data.n_users, n_tracks=recipe.n_tracks, dim=recipe.dim)
    )
    return PlayTable(data.plays, data.n_users, recipe=recipe, categories=data.categories), tower
