"""Requests in, answers out, over an engine: the routes under ``/v1``.

The rule kept: what takes long (decoding, the network) runs in a thread, never on the event loop, and no more of it at
once than there are cores.
"""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, BinaryIO

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Query, UploadFile
from pydantic import BaseModel

from audio_engine import DecodeError, Engine, GenreAnswer
from audio_engine.workers import n_cores
from service.body_limit import BodyLimit
from service.errors import PROBLEM_RESPONSES, answer_errors
from service.settings import MAX_UPLOAD_BYTES

MAX_GENRES = 100  # in one answer


class GenreProbability(BaseModel):
    """One genre."""

    genre: str
    probability: float


class GenreReply(BaseModel):
    """What a sound is."""

    genre: str  # the most probable one, or "unknown"
    is_unknown: bool
    probabilities: list[GenreProbability]  # the most probable first; none where it is unknown
    similarity: float  # to what the classifier learned from
    min_similarity: float  # below it: "unknown"


def create_app(engine: Engine, *, max_upload_bytes: int = MAX_UPLOAD_BYTES) -> FastAPI:
    """Make the service.

    Parameters
    ----------
    engine
        Answers the requests; closed when the service stops.
    max_upload_bytes
        Bodies that are larger are refused, before they are stored.
    """
    app = FastAPI(title="audio-engine", lifespan=_closing(engine))
    app.add_middleware(BodyLimit, max_bytes=max_upload_bytes)
    answer_errors(app)
    _add_routes(app, engine)
    return app


def _add_routes(app: FastAPI, engine: Engine) -> None:
    """Add every route; one takes a thread of a few."""
    at_once = CapacityLimiter(n_cores())

    @app.post("/v1/genre", responses=PROBLEM_RESPONSES)
    async def genre(file: UploadFile, k: Annotated[int, Query(ge=1, le=MAX_GENRES)] = 3) -> GenreReply:
        """Tell the genre of a sound file: at most `k` genres with probabilities, or "unknown"."""
        answer = await to_thread.run_sync(_genre_of, engine, file.file, k, limiter=at_once)
        return GenreReply(
            genre=answer.genre,
            is_unknown=answer.is_unknown,
            probabilities=[GenreProbability(genre=name, probability=share) for name, share in answer.probabilities],
            similarity=answer.similarity,
            min_similarity=answer.min_similarity,
        )


def _genre_of(engine: Engine, upload: BinaryIO, k: int) -> GenreAnswer:
    """Put an upload where a decoder can read it, and ask."""
    with TemporaryDirectory(prefix="audio-engine-") as folder:
        path = Path(folder) / "upload"  # the sender's name for it is not to be trusted, and nothing hangs on it
        with path.open("wb") as file:
            shutil.copyfileobj(upload, file)
        try:
            return engine.genres.answer(path, k=k)
        except DecodeError as error:
            raise DecodeError(str(error).removeprefix(f"{path}: ")) from error  # where it lay is nobody's business


def _closing(engine: Engine) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Close the engine when the service stops."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with engine:
            yield

    return lifespan
