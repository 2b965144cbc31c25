"""Training of a model on plays: the user tower, the listening head, and the audio tower.

The user tower is trained on the plays of warm tracks, the listening head is fitted in closed form, and the whole audio
tower is trained by metric learning, with early stopping on cold tracks.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from audio_engine.training.pooling import pool_twice, pooled_groups
from audio_engine.training.progress import EpochLines
from metric_learning.checkpoint import load_checkpoint, save_checkpoint
from metric_learning.encoder import AudioEncoder
from metric_learning.kernel_head import fit_kernel_head, listening_components, outside_of, subspace_of
from metric_learning.listening_data import ListeningSteps, Mels, StepSizes
from metric_learning.play_log import PlayLog
from metric_learning.play_table import PlayTable
from metric_learning.train_listening import (
    ColdTracks,
    ListeningModule,
    ListeningTraining,
    Loss,
    train_listening,
    unit_vectors,
)
from metric_learning.train_user import UserTraining, train_user_tower
from metric_learning.user import UserTower, embed_users
from metric_learning.user_checkpoint import save_user_tower
from metric_learning.user_recipe import UserRecipe

logger = logging.getLogger(__name__)

N_COMPONENTS = 5  # directions of a vector that are given to listening, the others to what sounds alike
USER_CHECKPOINT = "user_tower.pt"  # of the user tower, in the folder of a training
COLD_SHARE = 0.15  # of the artists, held out to say when to stop where no cold plays are given


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How to train a model on listening."""

    user: UserTraining = field(default_factory=UserTraining)
    audio: ListeningTraining = field(default_factory=ListeningTraining)
    listening_share: float = 0.2  # of the squared length of a track's vector; more, and what sounds alike suffers

    @classmethod
    def of(
        cls, *, loss: str = "hinge", n_disliked: int = 1, max_epochs: int = 20, seed: int = 0, n_devices: int = 1
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
        return cls(user=UserTraining(seed=seed), audio=audio)


@dataclass(frozen=True, kw_only=True)
class ListeningData:
    """What a model learns from, as arrays."""

    n_users: int
    categories: NDArray[np.int64]  # (n_users, n_columns)
    warm_ids: tuple[str, ...]
    warm_artists: tuple[str, ...]
    warm_mels: Mels  # (n_warm, n_segments, n_mels, n_frames)
    plays: PlayLog  # of warm tracks
    cold: ColdTracks


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """The result of a training."""

    model_id: str
    user_loss: float  # of the user tower, on users left out
    fitted_auc: float  # cold tracks, liked against rejected, by the closed-form fit
    cold_auc: float  # and after metric learning


def train_model(
    data: ListeningData,
    *,
    start_from: Path,
    out: Path,
    settings: TrainingSettings | None = None,
    on_progress: Callable[[str], None] = logger.info,
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

    Returns
    -------
    trained
    """
    settings = settings or TrainingSettings()
    torch.manual_seed(settings.user.seed)
    table, tower = make_user_tower(data)
    checkpoint = out / "training" / USER_CHECKPOINT
    user_loss = train_user_tower(tower, table, training=settings.user, checkpoint=checkpoint, on_progress=on_progress)
    pretrained, recipe = load_checkpoint(start_from)
    encoder = fit_listening_encoder(pretrained, tower, table, data=data, settings=settings)
    users = torch.from_numpy(embed_users(tower, table))
    steps = ListeningSteps(
        data.warm_mels, data.plays, data.n_users, sizes=settings.audio.sizes, seed=settings.audio.seed
    )
    module = ListeningModule(
        encoder,
        users=users,
        anchors=unit_vectors(encoder, data.warm_mels),
        cold=data.cold,
        steps=steps,
        training=settings.audio,
    )
    fitted_auc = module.cold_auc()
    logger.info("closed-form fit: cold AUC %.4f", fitted_auc)
    cold_auc = train_listening(module, log_dir=out / "training", callbacks=(EpochLines(on_progress),))
    model_id = save_checkpoint(out, module.encoder, recipe)
    save_user_tower(out, tower, data.warm_ids)
    return TrainedModel(model_id=model_id, user_loss=user_loss, fitted_auc=fitted_auc, cold_auc=cold_auc)


def fit_listening_encoder(
    pretrained: AudioEncoder, tower: UserTower, table: PlayTable, *, data: ListeningData, settings: TrainingSettings
) -> AudioEncoder:
    """Give a pretrained encoder a listening head, in closed form, and turn the user tower to face it.

    Parameters
    ----------
    pretrained
        Trained on sound alone.
    tower
        Trained on the plays of the warm tracks; its `subspace` is set.
    table
        The plays.
    data
        Warm tracks.
    settings
        The seed of the channels through which each track is heard a second time, and the share of listening.

    Returns
    -------
    encoder
    """
    users, tracks = embed_users(tower, table), tower.offered.weight.detach().numpy()
    listening = listening_components(users, tracks, n_components=N_COMPONENTS)
    pooled = pool_twice(pretrained, data.warm_mels, seed=settings.audio.seed)
    twice = replace(listening, target=np.concatenate([listening.target, listening.target]))
    head = fit_kernel_head(
        pooled,
        twice,
        group_sizes=pooled_groups(pretrained.config),
        artists=[*data.warm_artists, *data.warm_artists],
    )
    config = replace(
        pretrained.config,
        n_centres=head.weigh.in_features,
        n_reduced=head.reduce.out_features,
        listening_share=settings.listening_share,
    )
    subspace = subspace_of(listening)
    encoder = AudioEncoder(config)
    projection = outside_of(subspace, pretrained.projection.weight.detach().numpy(), pooled[: len(data.warm_mels)])
    encoder.load_state_dict(
        pretrained.state_dict()
        | {f"head.{name}": tensor for name, tensor in head.state_dict().items()}
        | {"projection.weight": torch.from_numpy(projection), "projection.bias": torch.zeros(config.dim)}
    )
    tower.subspace.copy_(torch.from_numpy(subspace))
    return encoder.eval()


def hold_out_artists(artists: Sequence[str], *, seed: int) -> NDArray[np.bool_]:
    """Choose tracks to stop on where no cold plays are given: all those of some artists.

    Parameters
    ----------
    artists : (n_tracks,)
        Of each track, as `joined_artists` gives them: those who made a track together stay together.
    seed
        Of the choice.

    Returns
    -------
    is_cold : (n_tracks,)
    """
    names, n_tracks = np.unique(np.array(artists), return_counts=True)
    small = names[n_tracks <= max(COLD_SHARE * len(artists), min(n_tracks, default=0))]  # one with half of all is warm
    chosen = np.random.default_rng(seed).permutation(small)[: max(1, round(COLD_SHARE * len(names)))]
    return np.isin(np.array(artists), chosen)


def make_user_tower(data: ListeningData) -> tuple[PlayTable, UserTower]:
    """Make an untrained user tower for the data, and the table that it reads."""
    categories = tuple(int(n) for n in data.categories.max(0, initial=0) + 1) if data.categories.shape[1] else ()
    recipe = UserRecipe(n_tracks=len(data.warm_ids), categories=categories)
    table = PlayTable(data.plays, data.n_users, recipe=recipe, categories=data.categories if len(categories) else None)
    return table, UserTower(recipe)
