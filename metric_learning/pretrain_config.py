"""The numbers of pretraining."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """The numbers of pretraining.

    Raises
    ------
    ValueError
        When a number is out of range; the message names it.
    """

    n_patches: int = 60  # drawn from each track
    n_versions: int = 4  # augmented versions of each track, besides the original
    n_components: int = 120  # principal components that the projection may use
    shrinkage: float = 0.3  # of the within-maker scatter towards a multiple of the identity
    version_weight: float = 0.6  # of the scatter between versions of one track, relative to that within makers
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_patches", "n_components"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.n_versions < 0:
            raise ValueError(f"n_versions must be at least 0, got {self.n_versions}")
        if not 0.0 < self.shrinkage <= 1.0:
            raise ValueError(f"shrinkage must be above 0 and at most 1, got {self.shrinkage}")
