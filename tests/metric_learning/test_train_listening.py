from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from scipy.sparse import csr_array

from audio_engine.training.pooling import pool_tracks
from metric_learning.encoder import AudioEncoder
from metric_learning.encoder_config import EncoderConfig
from metric_learning.listening_data import DrawnEmbeddings, DrawnSegments, ListeningSteps, StepSizes
from metric_learning.listening_module import (
    ColdTracks,
    ListeningModule,
    ListeningTraining,
    listening_loss,
    nearest_first,
)
from metric_learning.play_log import DISLIKE, LIKE, PlayLog
from metric_learning.train_listening import LAST, train_listening

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytorch_lightning.utilities.warnings.PossibleUserWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

N_USERS, N_WARM, N_COLD = 24, 16, 10
LAST_FILE = f"{LAST}.ckpt"
CONFIG = EncoderConfig(
    n_mels=32,
    n_filters=4,
    n_whitened=8,
    n_modulation_bands=4,
    n_correlation_bands=4,
    teachers=(5, 4),
    taught_width=8,
    n_reduced=6,
    n_random=16,
)
SIZES = StepSizes(n_tracks=16, n_segments=2, n_triplets=128, n_disliked=2, n_steps=4)
TRAINING = ListeningTraining(sizes=SIZES, max_epochs=3, relative_rate=0.02, anchor=0.0, augmented=False)


def sounds(n: int, seed: int) -> np.ndarray:
    """Make log-mels whose even tracks are low, odd ones high."""
    mels = np.random.default_rng(seed).normal(-9, 1, size=(n, 3, 32, 40))
    mels[::2, :, :8] += 6
    mels[1::2, :, 20:] += 6
    return mels.astype(np.float32)


@torch.no_grad()
def embed(encoder: AudioEncoder, log_mel: np.ndarray) -> torch.Tensor:
    return encoder(torch.from_numpy(log_mel).float())


def module(training: ListeningTraining = TRAINING, *, head_only: bool = False) -> ListeningModule:
    torch.manual_seed(0)
    encoder = AudioEncoder(CONFIG).eval()
    users = torch.nn.functional.normalize(torch.randn(2, 40), dim=1)[torch.arange(N_USERS) % 2]
    user, track = np.divmod(np.arange(N_USERS * N_WARM), N_WARM)
    plays = PlayLog(
        user=user,
        track=track,
        day=np.zeros(len(user), np.float32),
        completion=np.full(len(user), np.nan, np.float32),
        action=np.where(user % 2 == track % 2, LIKE, DISLIKE).astype(np.int8),
    )
    agree = np.arange(N_USERS)[:, None] % 2 == np.arange(N_COLD) % 2
    cold = ColdTracks(log_mel=sounds(N_COLD, 1), feedback=csr_array(np.where(agree, 1, -1).astype(np.int8)))
    warm = sounds(N_WARM, 0)
    segments = DrawnSegments(log_mel=warm, n_segments=training.sizes.n_segments)
    pooled = DrawnEmbeddings(pooled=pool_tracks(encoder, warm), n_tracks=N_WARM)
    steps = ListeningSteps(pooled if head_only else segments, plays, N_USERS, sizes=training.sizes, seed=0)
    anchors = embed(encoder, warm)
    return ListeningModule(encoder, users=users, anchors=anchors, cold=cold, steps=steps, training=training)


@pytest.mark.parametrize("head_only", [True, False])
@pytest.mark.parametrize("loss", ["softmax", "hinge", "pairwise"])
def test_training_teaches_cold_tracks_their_users(tmp_path: Path, loss: str, *, head_only: bool) -> None:
    made = module(ListeningTraining(**{**TRAINING.__dict__, "loss": loss, "max_epochs": 6}), head_only=head_only)
    before = made.cold_auc()
    found = train_listening(made, log_dir=tmp_path)
    assert found > max(before, 0.9)
    assert made.cold_auc() == pytest.approx(found, abs=1e-6)


def state_of(made: ListeningModule, part: str) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in made.encoder.state_dict().items() if name.startswith(part)}


@pytest.mark.parametrize("head_only", [True, False])
def test_taught_features_move_only_where_training_goes_below_the_head(tmp_path: Path, *, head_only: bool) -> None:
    made = module(ListeningTraining(**{**TRAINING.__dict__, "max_epochs": 6}), head_only=head_only)
    before = {part: state_of(made, part) for part in ("taught", "head", "filters")}
    train_listening(made, log_dir=tmp_path)
    moved = {
        part: any(not torch.equal(tensor, state_of(made, part)[name]) for name, tensor in tensors.items())
        for part, tensors in before.items()
    }
    assert moved == {"taught": not head_only, "head": True, "filters": False}


def test_the_hardest_negatives_come_first_and_missing_ones_last() -> None:
    generator = torch.Generator().manual_seed(0)
    users, vectors = torch.randn(3, 4, generator=generator), torch.randn(9, 4, generator=generator)
    disliked = torch.tensor([[0, 1, 2, 3], [4, 5, 6, 7], [8, 0, 2, 4]])
    present = torch.tensor([[True, True, True, True], [True, False, True, False], [False] * 4])
    found, there = nearest_first(users, vectors, disliked, present=present)
    near = (users @ vectors.T).gather(1, found)
    assert (near[0].diff() <= 0).all()
    assert near[1, 0] >= near[1, 1]
    assert there.tolist() == [[True] * 4, [True, True, False, False], [False] * 4]
    assert set(found[1, :2].tolist()) == {4, 6}


def test_the_first_state_stays_where_training_makes_cold_tracks_worse(tmp_path: Path) -> None:
    made = module(ListeningTraining(**{**TRAINING.__dict__, "max_epochs": 1}))
    made.cold = ColdTracks(log_mel=made.cold.log_mel, feedback=-made.cold.feedback)
    before = embed(made.encoder, made.cold.log_mel)
    first = made.cold_auc()
    found = train_listening(made, log_dir=tmp_path)
    if found == first:
        assert torch.equal(embed(made.encoder, made.cold.log_mel), before)
    assert found >= first


def test_a_killed_training_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    made = module(ListeningTraining(**{**TRAINING.__dict__, "max_epochs": 1}))
    train_listening(made, log_dir=tmp_path)
    first = torch.load(tmp_path / LAST_FILE, weights_only=False)["global_step"]
    again = module(ListeningTraining(**{**TRAINING.__dict__, "max_epochs": 2}))
    train_listening(again, log_dir=tmp_path)
    assert torch.load(tmp_path / LAST_FILE, weights_only=False)["global_step"] == 2 * first == 2 * SIZES.n_steps


class Killed(Callback):
    """Ends a training as a kill does, at a step of an epoch."""

    def __init__(self, epoch: int, step: int) -> None:
        self.at = epoch, step

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: int, batch_idx: int
    ) -> None:
        if (trainer.current_epoch, batch) == self.at:
            raise KilledError


class KilledError(Exception):
    pass


NUMBERS = ListeningTraining(
    **{**TRAINING.__dict__, "max_epochs": 4, "augmented": True, "patience": 9, "relative_rate": 0.0015}
)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return dict(torch.load(folder / LAST_FILE, weights_only=False)["state_dict"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, torch.Tensor], float]:
    """The last weights of a training that nobody stopped, and what it found."""
    folder = tmp_path_factory.mktemp("whole")
    found = train_listening(module(NUMBERS), log_dir=folder)
    return weights_of(folder), found


@pytest.mark.parametrize("at", [[(0, 2)], [(1, 0)], [(1, 3)], [(2, 1)], [(1, 1), (3, 2)]])
def test_a_training_that_is_killed_in_any_epoch_ends_with_the_same_weights(
    tmp_path: Path, whole: tuple[dict[str, torch.Tensor], float], at: list[tuple[int, int]]
) -> None:
    for epoch, step in at:
        with pytest.raises(KilledError):
            train_listening(module(NUMBERS), log_dir=tmp_path, callbacks=(Killed(epoch, step),))
    assert train_listening(module(NUMBERS), log_dir=tmp_path) == whole[1]
    weights = weights_of(tmp_path)
    assert all(torch.equal(weights[name], whole[0][name]) for name in whole[0])


@pytest.mark.parametrize("kept", [0.5, 0.0, 0.98])
def test_a_torn_checkpoint_is_told_and_the_one_before_is_used(
    tmp_path: Path, whole: tuple[dict[str, torch.Tensor], float], kept: float, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KilledError):
        train_listening(module(NUMBERS), log_dir=tmp_path, callbacks=(Killed(2, 1),))
    content = (tmp_path / LAST_FILE).read_bytes()
    for file in [tmp_path / LAST_FILE, *(tmp_path.glob("best*.ckpt") if kept == 0.0 else ())]:  # or none is whole
        file.write_bytes(content[: int(kept * len(content))])
    assert train_listening(module(NUMBERS), log_dir=tmp_path) == whole[1]
    assert f"checkpoint {tmp_path / LAST_FILE} is damaged" in caplog.text
    assert all(torch.equal(weights_of(tmp_path)[name], whole[0][name]) for name in whole[0])


def test_a_training_that_had_stopped_early_is_not_trained_further(tmp_path: Path) -> None:
    numbers = ListeningTraining(**{**TRAINING.__dict__, "max_epochs": 9, "relative_rate": 1e-9, "patience": 1})
    found = train_listening(module(numbers), log_dir=tmp_path)
    n_steps = torch.load(tmp_path / LAST_FILE, weights_only=False)["global_step"]
    assert n_steps == 2 * SIZES.n_steps
    assert train_listening(module(numbers), log_dir=tmp_path) == found
    assert torch.load(tmp_path / LAST_FILE, weights_only=False)["global_step"] == n_steps


def test_every_loss_is_zero_slope_where_nothing_is_present() -> None:
    user, liked, disliked = torch.eye(3)[:2], torch.eye(3)[:2], torch.eye(3)[None].expand(2, 3, 3)
    for loss in ("softmax", "hinge", "pairwise"):
        numbers = ListeningTraining(loss=loss)
        none = torch.zeros(2, 3, dtype=torch.bool)
        assert float(listening_loss(user, liked, disliked, present=none, training=numbers)) == 0.0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_runs_on_a_gpu(tmp_path: Path) -> None:
    made = module()
    assert train_listening(made, log_dir=tmp_path) > 0.5
