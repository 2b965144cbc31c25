"""The recipe of the front end: every number that turns audio into log-mel segments.

A vector, a checkpoint and an index are saved with the recipe that made them, and a mismatch raises an error.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class MelRecipe:
    """The numbers of the log-mel front end, and of the segments it cuts.

    Raises
    ------
    ValueError
        When a number is out of range; the message names it.
    """

    sample_rate: int = 44_100  # Hz
    n_fft: int = 2_048  # samples, 46 ms
    win_length: int = 2_048  # samples
    hop_length: int = 1_024  # samples, 23 ms
    n_mels: int = 128  # bands
    f_min: float = 0.0  # Hz
    f_max: float = 20_000.0  # Hz
    segment_s: float = 3.0  # seconds
    n_segments: int = 10  # segments per track, spread over the whole of it

    def __post_init__(self) -> None:
        for name in ("sample_rate", "n_fft", "win_length", "hop_length", "n_mels", "n_segments"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.win_length > self.n_fft:
            raise ValueError(f"win_length must be at most n_fft ({self.n_fft}), got {self.win_length}")
        if not 0 <= self.f_min < self.f_max <= self.sample_rate / 2:
            raise ValueError(
                f"f_min and f_max must satisfy 0 <= f_min < f_max <= sample_rate / 2 ({self.sample_rate / 2:g} Hz), "
                f"got {self.f_min:g} and {self.f_max:g}"
            )
        if self.segment_s * self.sample_rate < self.n_fft:
            raise ValueError(f"segment_s must hold at least n_fft samples, got {self.segment_s:g} (is it in seconds?)")

    @property
    def segment_samples(self) -> int:
        """Samples of one segment."""
        return round(self.segment_s * self.sample_rate)

    @property
    def n_frames(self) -> int:
        """Log-mel frames of one segment (frames are centred, so there is one more than the hops that fit)."""
        return self.segment_samples // self.hop_length + 1
