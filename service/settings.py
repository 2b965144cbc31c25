"""Settings of the service, read from the environment here only."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

PREFIX = "AUDIO_ENGINE_"  # of the variables: AUDIO_ENGINE_CATALOGUE, AUDIO_ENGINE_MAX_UPLOAD_BYTES, …
PREFIX_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
MAY_BE_0 = frozenset({"n_workers", "max_waiting", "load_model"})
MAX_UPLOAD_BYTES = 200_000_000  # twenty minutes of uncompressed stereo


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a service is started with; the variable of a field is its name in capitals after ``AUDIO_ENGINE_``."""

    catalogue: Path | None = None  # a folder; None: the user's own
    max_upload_bytes: int = MAX_UPLOAD_BYTES
    upload_timeout_s: float = 120.0  # seconds in which an upload must have come in
    max_duration_s: float = 7_200.0  # seconds that a sound file may declare, or hold if it declares nothing
    decode_timeout_s: float = 30.0  # seconds for decoding one file
    music: tuple[Path, ...] = ()  # folders that POST /v1/scan may look through, with ":" between them (";" on Windows)
    scan_workers: int = 1  # processors that it keeps busy: the others answer
    n_workers: int = 0  # files decoded and encoded at once, as many decoder processes; 0: one for each core
    max_waiting: int = 16  # uploads that wait for one of them, or are coming in; more are told to come again
    max_per_client: int = 8  # uploads of one client (token, else address) at a time
    load_model: bool = False  # at the start; else the first sound loads it, which takes seconds and half a gigabyte
    cors_origins: tuple[str, ...] = ()  # of pages of other sites that may ask, as in "https://music.example"
    hosts: tuple[str, ...] = ()  # names that the service answers to, as in "music.example"; none: any
    values: Path | None = (
        None  # the sink of `audio-engine stream run`, for GET /v1/tracks/{id}/value; None: there is none
    )
    root_path: str = ""  # prefix of a proxy that the service stands behind, as in "/music"

    def __post_init__(self) -> None:
        if not PREFIX_PATH.fullmatch(self.root_path):
            raise ValueError(f"{variable('root_path')} must be a path such as /music, got {self.root_path!r}")
        for field in fields(self):
            value, least = getattr(self, field.name), 0 if field.name in MAY_BE_0 else 1
            if isinstance(value, int | float) and not value >= least:
                raise ValueError(f"{variable(field.name)} must be at least {least}, got {value:g}")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the environment.

        Raises
        ------
        ValueError
            When a number is none.
        """
        given = {
            field.name: environment[variable(field.name)]
            for field in fields(cls)
            if variable(field.name) in environment
        }
        return cls(**{name: _value(name, text) for name, text in given.items() if text})


def variable(name: str) -> str:
    """Name the variable of a field."""
    return PREFIX + name.upper()


def _value(name: str, text: str) -> Any:
    """Read a value as the field of this name has it."""
    if name in {"catalogue", "values"}:
        return Path(text)
    if name in {"cors_origins", "hosts"}:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if name == "music":
        return tuple(Path(part) for part in text.split(os.pathsep) if part.strip())
    if name == "root_path":
        return text
    kind = float if name.endswith("_s") else int
    try:
        return kind(text)
    except ValueError as error:
        raise ValueError(f"{variable(name)} must be a number, got {text!r}") from error
