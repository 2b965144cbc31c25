"""Sizes of the user tower, and the demographic columns that it reads."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class UserColumn:
    """A demographic column, and which number stands for which of its values; 0 stands for one that is not known."""

    name: str
    values: tuple[str, ...] = ()  # of a category: the first has number 1
    edges: tuple[float, ...] = ()  # of a number: what lies below the first has number 1

    @property
    def n_numbers(self) -> int:
        """How many numbers there are, 0 among them."""
        return 1 + (len(self.edges) + 1 if self.edges else len(self.values))


@dataclass(frozen=True, kw_only=True)
class UserRecipe:
    """The sizes of a user tower.

    Raises
    ------
    ValueError
        When a size is below 1 or ``unobserved_weight`` below 0; the message names it.
    """

    n_tracks: int  # warm tracks, each with a learned vector
    columns: tuple[UserColumn, ...] = ()  # demographic ones
    dim: int = 40  # of the user's vector
    category_dim: int = 8  # of the vector of a demographic value
    width: int = 128  # of the residual network
    max_plays: int = 256  # latest plays of one user that are read
    unobserved_weight: float = (
        0.0  # trust in the claim that tracks never played do not match, relative to 1 for a plain play
    )
    dropout: float = 0.2  # share of the residual network's inputs that is dropped in training

    def __post_init__(self) -> None:
        for name in ("n_tracks", "dim", "category_dim", "width", "max_plays"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.unobserved_weight < 0:
            raise ValueError(f"unobserved_weight must be at least 0, got {self.unobserved_weight}")
