"""Songs to be read in, their sound out: by a decoder process for each, or by a few that are kept.

Someone who asks about one song waits for a process to start (a third of a second) and has none left over. A service
keeps some: `Decoders.keep`.
"""

from pathlib import Path

from audio_engine.sound import SoundRead
from audio_engine.workers import TIMEOUT_S, DecoderPool
from features.peaks import Peaks, read_peaks
from features.recipe import MelRecipe


class Decoders:
    """The decoders of one engine."""

    def __init__(self) -> None:
        self._kept: DecoderPool | None = None

    def keep(
        self, recipe: MelRecipe, *, n_workers: int, timeout_s: float = TIMEOUT_S, max_duration_s: float | None = None
    ) -> None:
        """Keep a few processes from now on, until `close`.

        Parameters
        ----------
        recipe, n_workers, timeout_s, max_duration_s
            As for a `DecoderPool`.
        """
        self.close()
        self._kept = DecoderPool(recipe, n_workers=n_workers, timeout_s=timeout_s, max_duration_s=max_duration_s)

    def read(self, path: Path, recipe: MelRecipe) -> SoundRead:
        """Read one file; callable from many threads.

        Raises
        ------
        DecodeError
            As `DecoderPool.read`.
        """
        if self._kept is not None:
            return self._kept.read(path, recipe)
        with DecoderPool(recipe, n_workers=1) as pool:
            return pool.read(path)

    def outline(self, path: Path) -> Peaks:
        """Read the outline of one file: with a process that is kept, or in this one where none is.

        Raises
        ------
        DecodeError, OSError
            As `DecoderPool.outline`, or `features.peaks.read_peaks`.
        """
        return read_peaks(path) if self._kept is None else self._kept.outline(path)

    def give_up(self, path: Path) -> None:
        """Stop reading a file with a kept process, if one is at it."""
        if self._kept is not None:
            self._kept.give_up(path)

    def close(self) -> None:
        """Stop the processes that are kept."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
