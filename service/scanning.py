"""The scans of a service: embedding what is new or changed in the server's own folders of music, one scan at a time.

Only folders of the setting ``AUDIO_ENGINE_MUSIC`` and folders below them are looked through, in a thread of its own.
Where files lie is nobody's business: what is told of a scan is counts.
"""

import logging
import os
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Literal, Protocol

from fastapi import HTTPException
from pydantic import BaseModel

from audio_engine import Engine
from audio_engine.catalogue.paths import absolute
from service.settings import Settings

logger = logging.getLogger(__name__)

ScanState = Literal["idle", "running", "done", "stopped", "failed"]


class ScanResponse(BaseModel):
    """How far a scan is: the one that runs, or the last."""

    state: ScanState  # idle: there was none since the service started
    started_at: str | None  # ISO 8601, UTC
    finished_at: str | None
    n_to_do: int  # files to be embedded, then tracks to be described
    n_done: int
    embedded: int
    moved: int
    failed: int
    missing: int  # tracks whose file is gone; they are kept
    described: int


class _Result(Protocol):
    """What was done with one track."""

    @property
    def status(self) -> str: ...


class Scan:
    """The scans of one service, one at a time."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine, self._settings = engine, settings
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._state: ScanState = "idle"
        self._started_at: str | None = None
        self._finished_at: str | None = None
        self._n_to_do = 0
        self._counts: Counter[str] = Counter()

    def start(self, folders: list[str], *, describe: bool) -> bool:
        """Start a scan of folders that may be scanned; False where one runs already.

        Raises
        ------
        HTTPException
            403 where a folder may not be scanned, or none is set up; 404 where it is not there.
        """
        roots = self._allowed(folders)
        with self._lock:
            if self._state == "running":
                return False
            self._state, self._started_at, self._finished_at = "running", _now(), None
            self._n_to_do, self._counts = 0, Counter()
            self._thread = threading.Thread(target=self._run, args=(roots, describe), name="scan", daemon=True)
            self._thread.start()
        return True

    def progress(self) -> ScanResponse:
        """Tell how far it is."""
        counts = {name: self._counts[name] for name in ("embedded", "moved", "failed", "missing", "described")}
        return ScanResponse(
            state=self._state,
            started_at=self._started_at,
            finished_at=self._finished_at,
            n_to_do=self._n_to_do,
            n_done=sum(counts.values()) - counts["missing"],
            **counts,
        )

    def close(self) -> None:
        """Stop a scan after the tracks that are being read, and wait for it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _allowed(self, folders: list[str]) -> list[Path]:
        """Check folders against the setting: links are followed, for one could lead out of the music."""
        music = [folder.resolve() for folder in self._settings.music]
        if not music:
            raise HTTPException(HTTPStatus.FORBIDDEN, "no folder may be scanned: AUDIO_ENGINE_MUSIC names none")
        roots = [absolute(folder) for folder in folders] or [absolute(folder) for folder in self._settings.music]
        for root in roots:
            if not any(root.resolve().is_relative_to(folder) for folder in music):
                raise HTTPException(HTTPStatus.FORBIDDEN, f"folder must be below AUDIO_ENGINE_MUSIC, got {str(root)!r}")
            if not os.path.exists(root):  # noqa: PTH110  (`exists` may raise)
                raise HTTPException(HTTPStatus.NOT_FOUND, f"folder must be there, got {str(root)!r}")
        return roots

    def _run(self, roots: list[Path], describe: bool) -> None:
        """Scan, and keep how it ended."""
        state: ScanState = "failed"
        try:
            self._embed(roots)
            if describe and not self._stop.is_set():
                self._describe(roots)
            state = "stopped" if self._stop.is_set() else "done"
        except Exception:
            logger.exception("a scan failed")
        finally:
            with self._lock:
                self._state, self._finished_at = state, _now()

    def _embed(self, roots: list[Path]) -> None:
        plan = self._engine.plan(*roots)
        self._n_to_do += len(plan.to_embed)
        self._follow(self._engine.ingest.embed(plan, n_workers=self._settings.scan_workers))

    def _describe(self, roots: list[Path]) -> None:
        tracks = self._engine.descriptions.pending(*roots)
        self._n_to_do += len(tracks)
        self._follow(self._engine.descriptions.describe(tracks, n_workers=self._settings.scan_workers))

    def _follow(self, results: Generator[_Result, None, None]) -> None:
        """Count results, until it is to stop."""
        with closing(results):
            for result in results:
                self._counts[result.status] += 1
                if self._stop.is_set():
                    return


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
