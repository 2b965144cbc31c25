"""Configuration of a ranker: which network, how large, and its training."""

from dataclasses import dataclass
from typing import Literal, get_args

Network = Literal["deepfm", "dcn"]


@dataclass(frozen=True, kw_only=True)
class RankerConfig:
    """The architecture and training of a ranker; ``docs/experiments/ranking.md`` explains the defaults.

    Raises
    ------
    ValueError
        When a number is out of range; the message names it.
    """

    network: Network = "dcn"  # DeepFM (2017) or DCN-V2 (2021)
    audio: bool = True  # read the vectors of track and user; False: ids, counts and context only
    dim: int = 8  # of the embedding of an id or a category
    width: int = 32  # of a hidden layer
    n_hidden: int = 2  # hidden layers
    n_cross: int = 1  # cross layers, DCN-V2 only
    dropout: float = 0.5  # share of hidden units dropped in training
    vector_dropout: float = 0.5  # share of the numbers of a vector dropped in training
    unknown_tracks: float = 0.3  # share of the training rows whose track is replaced by "unknown"
    unknown_users: float = 0.1  # likewise for users
    n_epochs: int = 4  # passes over the examples
    min_steps: int = 80  # minimum number of steps; a small log gets more epochs
    batch_size: int = 1024  # examples
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    seed: int = 0  # of all randomness

    def __post_init__(self) -> None:
        if self.network not in get_args(Network):
            raise ValueError(f"network must be one of {', '.join(get_args(Network))}, got {self.network!r}")
        for name in ("dim", "width", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("n_hidden", "n_cross", "n_epochs", "min_steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        for name in ("dropout", "vector_dropout", "unknown_tracks", "unknown_users"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {getattr(self, name)}")
