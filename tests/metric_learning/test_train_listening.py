from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from metric_learning.encoder import AudioEncoder
from metric_learning.encoder_config import EncoderConfig
from metric_learning.listening_data import ListeningSteps, StepSizes
from metric_learning.play_log import DISLIKE, LIKE, PlayLog
from metric_learning.train_listening import (
    LAST,
    ColdTracks,
    ListeningModule,
    ListeningTraining,
    listening_loss,
    mean_user_auc,
    train_listening,
    unit_vectors,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytorch_lightning.utilities.warnings.PossibleUserWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

N_USERS, N_WARM, N_COLD = 24, 16, 10
CONFIG = EncoderConfig(n_mels=32, n_filters=4, n_whitened=8, n_modulation_bands=4, n_correlation_bands=4)
SIZES = StepSizes(n_tracks=16, n_segments=2, n_triplets=128, n_disliked=2, n_steps=4)
TRAINING = ListeningTraining(sizes=SIZES, max_epochs=3, relative_rate=0.02, anchor=0.0, augmented=False)


def sounds(n: int, seed: int) -> np.ndarray:
    """Make log-mels whose even tracks are low, odd ones high."""
    mels = np.random.default_rng(seed).normal(-9, 1, size=(n, 3, 32, 40))
    mels[::2, :, :8] += 6
    mels[1::2, :, 20:] += 6
    return mels.astype(np.float32)


def module(training: ListeningTraining = TRAINING) -> tuple[ListeningModule, ListeningSteps]:
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
    cold = ColdTracks(log_mel=sounds(N_COLD, 1), feedback=np.where(agree, 1, -1).astype(np.int8))
    warm = sounds(N_WARM, 0)
    made = ListeningModule(encoder, users=users, anchors=unit_vectors(encoder, warm), cold=cold, training=training)
    return made, ListeningSteps(warm, plays, N_USERS, sizes=training.sizes, seed=0)


def test_the_mean_auc_agrees_with_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    similarity = torch.randn(6, 40, generator=generator)
    feedback = torch.randint(-1, 2, (6, 40), generator=generator)
    expected = [
        roc_auc_score(feedback[i][feedback[i] != 0] > 0, similarity[i][feedback[i] != 0]) for i in range(len(feedback))
    ]
    assert float(mean_user_auc(similarity, feedback)) == pytest.approx(np.mean(expected))
    assert float(mean_user_auc(similarity, torch.zeros_like(feedback))) == 0.5


@pytest.mark.parametrize("loss", ["softmax", "hinge", "pairwise"])
def test_training_teaches_cold_tracks_their_users(tmp_path: Path, loss: str) -> None:
    made, steps = module(ListeningTraining(**{**TRAINING.__dict__, "loss": loss, "max_epochs": 6}))
    before = made.cold_auc()
    found = train_listening(made, steps, log_dir=tmp_path)
    assert found > max(before, 0.9)
    assert made.cold_auc() == pytest.approx(found, abs=1e-6)
    assert list(tmp_path.glob("csv/*/metrics.csv"))
    assert list(tmp_path.glob("tensorboard/*/events.out.tfevents.*"))


def test_the_first_state_stays_where_training_makes_cold_tracks_worse(tmp_path: Path) -> None:
    made, steps = module(ListeningTraining(**{**TRAINING.__dict__, "max_epochs": 1}))
    made.cold = ColdTracks(log_mel=made.cold.log_mel, feedback=-made.cold.feedback)
    before = unit_vectors(made.encoder, made.cold.log_mel)
    first = made.cold_auc()
    found = train_listening(made, steps, log_dir=tmp_path)
    if found == first:
        assert torch.equal(unit_vectors(made.encoder, made.cold.log_mel), before)
    assert found >= first


def test_a_killed_training_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    made, steps = module(ListeningTraining(**{**TRAINING.__dict__, "max_epochs": 1}))
    train_listening(made, steps, log_dir=tmp_path)
    first = torch.load(tmp_path / LAST, weights_only=False)["global_step"]
    again, steps = module(ListeningTraining(**{**TRAINING.__dict__, "max_epochs": 2}))
    train_listening(again, steps, log_dir=tmp_path)
    assert torch.load(tmp_path / LAST, weights_only=False)["global_step"] == 2 * first == 2 * SIZES.n_steps


def test_every_loss_is_zero_slope_where_nothing_is_present() -> None:
    user, liked, disliked = torch.eye(3)[:2], torch.eye(3)[:2], torch.eye(3)[None].expand(2, 3, 3)
    for loss in ("softmax", "hinge", "pairwise"):
        numbers = ListeningTraining(loss=loss)
        none = torch.zeros(2, 3, dtype=torch.bool)
        assert float(listening_loss(user, liked, disliked, present=none, training=numbers)) == 0.0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_runs_on_a_gpu(tmp_path: Path) -> None:
    made, steps = module()
    assert train_listening(made, steps, log_dir=tmp_path) > 0.5
