"""Sizes and hyperparameters of the federated model."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Head = Literal["mmoe", "ple"]
Guard = Literal["none", "max-norm", "marvell"]

TASKS: Final = ("like", "complete", "skip")  # skip: skipped or disliked
COMPLETE: Final = 0.8  # share of a track that must be played


@dataclass(frozen=True, kw_only=True)
class PartnerRecipe:
    """The sizes of the partner's network.

    Raises
    ------
    ValueError
        When a size is below 1; the message names it.
    """

    n_features: int  # of a user, at the partner
    width: int = 64  # of the hidden layer
    cut_dim: int = 16  # of what crosses

    def __post_init__(self) -> None:
        for name in ("n_features", "width", "cut_dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class FederatedRecipe:
    """The sizes of our half of the model; ``docs/experiments/federated.md`` explains the defaults.

    Raises
    ------
    ValueError
        When a number is out of range; the message names it.
    """

    n_tracks: int  # with plays, each with learned numbers of its own
    categories: tuple[int, ...] = ()  # number of values of each demographic column, "unknown" (0) among them
    dim: int = 40  # of a track's vector and of a user's
    cut_dim: int = 16  # of what the partner sends
    head: Head = "mmoe"
    n_experts: int = 4  # of MMoE; PLE has one for each output, and shared ones as are left, at least one
    width: int = 64  # of an expert
    category_dim: int = 8  # of the vector of a demographic value
    n_first_plays: int = 5  # latest plays of a user that are read
    dropout: float = 0.3  # share of the head's inputs that is dropped in training

    def __post_init__(self) -> None:
        for name in ("n_tracks", "dim", "cut_dim", "n_experts", "width", "category_dim", "n_first_plays"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.head not in get_args(Head):
            raise ValueError(f"head must be one of {', '.join(get_args(Head))}, got {self.head!r}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {self.dropout}")


@dataclass(frozen=True, kw_only=True)
class FederatedTraining:
    """How to train both halves.

    Raises
    ------
    ValueError
        When a number is out of range; the message names it.
    """

    n_steps: int = 1200
    batch_size: int = 512  # users
    n_targets: int = 8  # plays of each user that a step predicts
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    warm_share: float = 0.7  # of the steps that read the tracks' own numbers; in the others every track is as if new
    list_weight: float = 0.3  # weight of the softmax over tracks, relative to the tasks' cross-entropy
    n_unobserved: int = 4096  # random tracks in the softmax; all tracks if there are no more than this
    guard: Guard = "none"  # noise on the gradients that the partner sees, against reading labels from them
    guard_power: float = 4.0  # of Marvell's noise, relative to the squared distance of the mean gradients
    noise_multiplier: float = 0.0  # of differential privacy at the cut, both ways; 0: off
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_steps", "batch_size", "n_targets", "n_unobserved"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.guard not in get_args(Guard):
            raise ValueError(f"guard must be one of {', '.join(get_args(Guard))}, got {self.guard!r}")
        for name in ("guard_power", "noise_multiplier", "learning_rate", "weight_decay", "list_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be at least 0 and finite, got {getattr(self, name)}")
        if not 0 <= self.warm_share <= 1:
            raise ValueError(f"warm_share must be from 0 to 1, got {self.warm_share}")
