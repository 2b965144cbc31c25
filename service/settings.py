"""The environment in, the settings of the service out: the one place where it is read."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

CATALOGUE = "AUDIO_ENGINE_CATALOGUE"  # a folder; the user's own by default
MAX_UPLOAD = "AUDIO_ENGINE_MAX_UPLOAD_BYTES"
MAX_UPLOAD_BYTES = 200_000_000  # twenty minutes of uncompressed stereo


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a service is started with."""

    catalogue: Path | None = None  # a folder; None: the user's own
    max_upload_bytes: int = MAX_UPLOAD_BYTES

    def __post_init__(self) -> None:
        if self.max_upload_bytes < 1:
            raise ValueError(f"{MAX_UPLOAD} must be at least 1, got {self.max_upload_bytes}")

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment.

        Raises
        ------
        ValueError
            When a number is none.
        """
        catalogue, limit = os.environ.get(CATALOGUE), os.environ.get(MAX_UPLOAD, str(MAX_UPLOAD_BYTES))
        if not limit.isdecimal():
            raise ValueError(f"{MAX_UPLOAD} must be a number of bytes, got {limit!r}")
        return cls(catalogue=Path(catalogue) if catalogue else None, max_upload_bytes=int(limit))
