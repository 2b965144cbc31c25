"""Learning of the taught features: regression from fixed features to principal components of what the teachers say."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from metric_learning.encoder import AudioEncoder
from metric_learning.taught_features import CLIP, TaughtFeatures
from tests.benchmarks.experiments.distillation.shards import Described, Halves

N_FOLDS = 3  # of packages
N_COMPONENTS = (160, 96)  # of MusiCNN and of Whisper
MIN_DEVIATION = 1e-3  # of a teacher's feature
MIN_FIXED_DEVIATION = 1e-4
TEACHER_CLIP = 5.0  # deviations
DROPPED = (0.2, 0.5)  # of the fixed features, and of the first hidden layer
BATCH_WINDOWS, WARM_UP = 48, 50
SEGMENTS_DRAWN = 4
TRACK_WEIGHT = 2.0  # of the miss of a window's mean, beside the mean miss of its segments
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 0.05
TOLD_EVERY = 200

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A teacher's features as they are learned: components, each scaled by the fourth root of its variance.

    Plain components would let the strongest few decide; white ones would learn noise.
    """

    values: Floats  # (n, n_segments, n_components) of mean squared length 1
    restore: Floats  # (n_components, n_components) to a random turn of the plain components: equal deviations


def target_of(features: Halves, n_components: int, rng: np.random.Generator) -> Target:
    """Find the components of a teacher's features, and all windows in them."""
    wide = features.astype(np.float32)
    known = wide.reshape(-1, wide.shape[-1])
    mean, deviation = known.mean(0), known.std(0) + MIN_DEVIATION

    def standard(values: Floats) -> Floats:
        return np.clip((values - mean) / deviation, -TEACHER_CLIP, TEACHER_CLIP)

    scores = standard(known)
    variances, directions = np.linalg.eigh(scores.T @ scores / len(scores))
    variances, directions = variances[::-1][:n_components], directions[:, ::-1][:, :n_components]
    values = standard(wide) @ (directions / variances**0.25)
    length = np.sqrt(np.square(values).sum(-1).mean())
    turn = np.linalg.qr(rng.standard_normal((n_components, n_components)))[0]
    restore = length * variances[:, None] ** 0.25 * turn
    return Target(values=(values / length).astype(np.float32), restore=restore.astype(np.float32))


class Lesson:
    """Windows with what is to be learned from them; all networks that learn from one expect the same numbers.

    Parameters
    ----------
    encoder
        Whose fixed features were described.
    described
        The windows.
    """

    def __init__(self, encoder: AudioEncoder, described: Described) -> None:
        rng = np.random.default_rng(0)
        teachers = zip((described.musicnn, described.whisper), N_COMPONENTS, strict=True)
        self.encoder, self.described = encoder, described
        self.targets = [target_of(features, n, rng) for features, n in teachers]
        self.wanted = torch.from_numpy(np.concatenate([each.values for each in self.targets], axis=2))
        self.folds = folds_of(described.package)

    def learn(self, left_out: int | None, *, n_steps: int, tell: Callable[[str], None]) -> AudioEncoder:
        """Teach a network.

        Parameters
        ----------
        left_out
            Fold that it does not hear, and is tested on; None: it hears all.
        n_steps
            Of training.
        tell
            Called with lines of text.

        Returns
        -------
        encoder
            With the same filters and the features that were learned; all else is new.
        """
        torch.manual_seed(0)
        rng = np.random.default_rng(0)
        held = self.folds == left_out
        rows = np.flatnonzero(~held)
        config = replace(self.encoder.config, teachers=N_COMPONENTS, n_random=0)
        taught = TaughtFeatures(config.n_fixed, width=config.taught_width, n_taught=config.n_taught)
        _standardise(taught, self.described.fixed)
        optimiser = torch.optim.AdamW(taught.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        network = nn.Sequential(nn.Dropout(DROPPED[0]), taught.read, nn.GELU(), nn.Dropout(DROPPED[1]))
        network.extend([taught.combine, nn.GELU(), taught.expect])
        for step in range(n_steps):
            for group in optimiser.param_groups:
                group["lr"] = rate_of(step, n_steps)
            fixed, wanted = self._draw(rows, rng)
            loss = miss(network(standard_of(taught, fixed)), wanted)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            if (step + 1) % TOLD_EVERY == 0 or step + 1 == n_steps:
                tell(f"fold {left_out}, step {step + 1}: {self._told(taught, held)}")
        _restore(taught, self.targets)
        found = AudioEncoder(config).eval()
        found.filters.load_state_dict(self.encoder.filters.state_dict())
        found.load_state_dict({f"taught.{name}": each for name, each in taught.state_dict().items()}, strict=False)
        return found

    def _draw(self, rows: NDArray[np.int64], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Draw segments of some windows, in one version: fixed features and what to expect from them."""
        drawn, version = rng.choice(rows, BATCH_WINDOWS)[:, None], rng.integers(2)
        places = rng.integers(self.wanted.shape[1], size=(BATCH_WINDOWS, SEGMENTS_DRAWN))
        fixed = torch.from_numpy(self.described.fixed[drawn, version, places].astype(np.float32))
        return fixed, self.wanted[torch.from_numpy(drawn), torch.from_numpy(places)]

    def _told(self, taught: TaughtFeatures, held: NDArray[np.bool_]) -> str:
        if not held.any():
            return "nothing is held out"
        share = explained(taught, self.described.fixed[held, 0], self.wanted[torch.from_numpy(held)])
        return f"expects {share:.3f} of the variance on packages held out"


def folds_of(packages: Sequence[str] | NDArray[np.str_]) -> NDArray[np.int64]:
    """Tell the fold of each package, always the same for a name: (n,)."""
    digests = [hashlib.blake2b(str(name).encode(), digest_size=4).digest() for name in packages]
    return np.array([int.from_bytes(digest, "big") % N_FOLDS for digest in digests])


def rate_of(step: int, n_steps: int) -> float:
    """Warm the learning rate up, then lower it along a cosine."""
    return float(LEARNING_RATE * min(1.0, (step + 1) / WARM_UP) * (0.505 + 0.495 * np.cos(np.pi * step / n_steps)))


def miss(expected: Tensor, target: Tensor) -> Tensor:
    """Average the squared miss of segments, and of the mean over the segments of a window."""
    apart = (expected - target).square().sum(-1).mean()
    return apart + TRACK_WEIGHT * (expected.mean(1) - target.mean(1)).square().sum(-1).mean()


@torch.no_grad()
def explained(taught: TaughtFeatures, fixed: Halves, target: Tensor) -> float:
    """Compute the share of the variance, between windows, of their mean targets that is expected."""
    means = torch.stack([taught(torch.from_numpy(window.astype(np.float32))).mean(0) for window in fixed])
    wanted = target.mean(1)
    return float(1 - (means - wanted).square().sum() / (wanted - wanted.mean(0)).square().sum())


def standard_of(taught: TaughtFeatures, fixed: Tensor) -> Tensor:
    """Standardise fixed features as `TaughtFeatures` does."""
    return ((fixed - taught.mean) / taught.deviation).clamp(-CLIP, CLIP)


def _standardise(taught: TaughtFeatures, fixed: Halves) -> None:
    """Set mean and deviation, from every third window."""
    known = fixed[::3, 0].reshape(-1, fixed.shape[-1]).astype(np.float32)
    taught.mean.copy_(torch.from_numpy(known.mean(0)))
    taught.deviation.copy_(torch.from_numpy(known.std(0) + MIN_FIXED_DEVIATION))


@torch.no_grad()
def _restore(taught: TaughtFeatures, targets: list[Target]) -> None:
    """Turn the output from scaled components to plain ones, turned so that all have about the same deviation."""
    restore = torch.block_diag(*(torch.from_numpy(each.restore) for each in targets))
    taught.expect.weight.copy_(restore.T @ taught.expect.weight)
    taught.expect.bias.copy_(restore.T @ taught.expect.bias)
