"""Typed client of ``audio-engine serve``, over httpx.

Failed requests raise the engine's own errors, chosen by the ``code`` of the problem document; errors of HTTP alone
raise `ServiceError`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from audio_engine.catalogue.filters import TrackFilter
from audio_engine.errors import (
    DuplicateTrackError,
    NotTrainedError,
    RecipeMismatchError,
    UnknownTrackError,
    UnknownUserError,
)
from audio_engine.recall.recommendations import Interests, Play
from audio_engine.search.steering import PLAIN, Steering
from audio_engine.served import (
    ScanProgress,
    ServedNeighbour,
    ServedRecall,
    ServedSpace,
    ServedTrack,
    ServedUser,
    SimilarAnswer,
)
from features.decode_errors import DecodeError, TooLongError

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 60.0
ERRORS: dict[str, type[Exception]] = {
    "unknown_track": UnknownTrackError,
    "unknown_user": UnknownUserError,
    "not_trained": NotTrainedError,
    "recipe_mismatch": RecipeMismatchError,
    "duplicate": DuplicateTrackError,
    "too_long": TooLongError,
    "undecodable": DecodeError,
}
TrackArgument = str | Path  # the id of a track, or a file to be uploaded
T = TypeVar("T")


class ServiceError(Exception):
    """A request that the service refused or failed to answer."""

    def __init__(self, status: int, code: str, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status, self.code, self.detail = status, code, detail
        self.retry_after_s = retry_after_s  # seconds to wait before asking again, where the service said so


class Client:
    """A connection to a service; close it, or use it in a ``with`` block.

    Parameters
    ----------
    url
        As in ``http://127.0.0.1:8000``.
    token
        Of ``audio-engine token add``, where the service needs one.
    timeout_s
        Seconds to wait for an answer.

    Raises
    ------
    ModuleNotFoundError
        When the extra "client" is not installed.
    """

    def __init__(self, url: str = "http://127.0.0.1:8000", *, token: str = "", timeout_s: float = TIMEOUT_S) -> None:
        try:
            import httpx  # noqa: PLC0415  (of the extra "client")
        except ModuleNotFoundError as error:
            lacking = "httpx is not installed: pip install 'audio-content-engine[client]'"
            raise ModuleNotFoundError(lacking, name=error.name) from error

        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http: httpx.Client = httpx.Client(base_url=url, headers=headers, timeout=timeout_s)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def similar(  # noqa: PLR0913  (one question, with what bounds and steers its answer)
        self,
        *tracks: TrackArgument,
        k: int | None = None,
        like: Mapping[str, float] | None = None,
        unlike: Mapping[str, float] | None = None,
        steering: Steering = PLAIN,
        where: TrackFilter | None = None,
        not_same_artist: bool = False,
        max_per_artist: int | None = None,
    ) -> SimilarAnswer:
        """Find what sounds like one or several tracks (`str`: their ids), or like a file (`Path`: it is uploaded).

        Parameters
        ----------
        tracks
            Ids of tracks, whose vectors' mean is asked about; or one path.
        like, unlike
            Further tracks to be like, or unlike: weights above 0 by id.
        k, steering, where, not_same_artist, max_per_artist
            As for `Engine.similar`; ``folder`` cannot be asked of a service.
        """
        given = {"k": k, "like": like or None, "unlike": unlike or None, "max_per_artist": max_per_artist}
        asked = {
            **{name: value for name, value in given.items() if value is not None},
            **{name: value for name, value in asdict(steering).items() if value},
            **_filter_fields(where),
            **({"not_same_artist": True} if not_same_artist else {}),
        }
        answer = self._post("/v1/similar", tracks, asked, ids="track_ids")
        return SimilarAnswer(
            model_id=answer["model_id"],
            seeds=tuple(_of(ServedTrack, seed) for seed in answer["seeds"]),
            neighbours=tuple(_of(ServedNeighbour, each) for each in answer["neighbours"]),
            flags=tuple(answer["flags"]),
            unlike=tuple(_of(ServedTrack, each) for each in answer.get("unlike", ())),
        )

    def embed(self, file: Path) -> list[float]:
        """Give the vector of a file: 40 numbers, of unit length."""
        vector: list[float] = self._post("/v1/embed", [file], {})["vector"]
        return vector

    def space(self) -> ServedSpace:
        """Tell in which space the service's vectors live; vectors of another one may not be compared with them."""
        answer = self._ask("GET", "/v1/space").json()
        return _of(ServedSpace, {**answer, "checkpoint_hash": answer["checkpointHash"]})

    def tracks(self, text: str = "", *, limit: int = 50, offset: int = 0) -> tuple[list[ServedTrack], int]:
        """List a page of the tracks that match a text, with the number of all matches."""
        page = self._ask("GET", "/v1/tracks", params={"q": text, "limit": limit, "offset": offset}).json()
        return [_of(ServedTrack, track) for track in page["tracks"]], page["n_tracks"]

    def track(self, track_id: str) -> ServedTrack:
        """Look up a track."""
        return _of(ServedTrack, self._ask("GET", f"/v1/tracks/{track_id}").json())

    def audio(self, track_id: str) -> bytes:
        """Fetch a track's file."""
        return self._ask("GET", f"/v1/tracks/{track_id}/audio").content

    def add(self, file: Path) -> ServedTrack:
        """Take a file into the catalogue, which keeps a copy."""
        return _of(ServedTrack, self._post("/v1/tracks", [file], {}))

    def remove(self, track_id: str) -> None:
        """Take a track out of the catalogue."""
        self._ask("DELETE", f"/v1/tracks/{track_id}")

    def recall(  # noqa: PLR0913  (one question, with what bounds its answer)
        self,
        *,
        plays: Sequence[Play] | None = None,
        user: str | None = None,
        vector: Sequence[float] | None = None,
        k: int = 100,
        where: TrackFilter | None = None,
        only_new: bool = False,
        interests: Interests = 1,
        diversity: float = 0.0,
    ) -> list[ServedRecall]:
        """Find tracks for a user: by plays (of tracks, by their ids), by name, or by a vector."""
        given: dict[str, Any] = {"user": user, "vector": None if vector is None else [float(x) for x in vector]}
        given |= {"interests": None if interests == 1 else interests, "diversity": diversity or None}
        if plays is not None:
            names = ("action", "completion", "days_ago")
            given["plays"] = [
                {"track_id": play.track, **{name: getattr(play, name) for name in names}} for play in plays
            ]
        asked = {name: value for name, value in given.items() if value is not None}
        asked |= {"k": k, "only_new": only_new, **_filter_fields(where)}
        return [_of(ServedRecall, each) for each in self._ask("POST", "/v1/recall", json=asked).json()["tracks"]]

    def users_for(self, track: TrackArgument, *, k: int = 100) -> list[ServedUser]:
        """Find users for a track (`str`: its id), or for a file (`Path`)."""
        users = self._post("/v1/users-for", [track], {"k": k}, ids="track_id")["users"]
        return [_of(ServedUser, each) for each in users]

    def genre(self, file: Path, *, k: int = 3) -> list[tuple[str, float]]:
        """Predict the genres of a file with probabilities, the most probable first; none if it is unknown."""
        answer = self._post("/v1/genre", [file], {}, params={"k": k})
        return [(each["genre"], each["probability"]) for each in answer["probabilities"]]

    def scan(self, *folders: str, describe: bool = False) -> ScanProgress:
        """Start to bring in what is new in folders of the server's: those named, or all that it is set up with."""
        asked = {"folders": list(folders), "describe": describe}
        return _of(ScanProgress, self._ask("POST", "/v1/scan", json=asked).json())

    def scan_progress(self) -> ScanProgress:
        """Tell how far the scan is that runs, or how the last one ended."""
        return _of(ScanProgress, self._ask("GET", "/v1/scan").json())

    def _post(
        self, path: str, tracks: Sequence[TrackArgument], asked: Mapping[str, Any], *, ids: str = "", **how: Any
    ) -> Any:
        """Ask about tracks by their ids, as JSON, or about one file, as a form."""
        if len(tracks) == 1 and isinstance(tracks[0], Path):
            with tracks[0].open("rb") as file:
                form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in asked.items()}
                return self._ask("POST", path, data=form, files={"file": (tracks[0].name, file)}, **how).json()
        if not tracks or not all(isinstance(track, str) for track in tracks):
            raise ValueError(f"tracks must be ids of tracks (str) or one file (Path), got {tracks!r}")
        named: Any = list(tracks) if ids.endswith("s") else tracks[0]
        return self._ask("POST", path, json={ids: named, **asked}, **how).json()

    def _ask(self, method: str, path: str, **how: Any) -> "httpx.Response":
        """Send a request, and raise the error that the service reports."""
        reply = self.http.request(method, path, **how)
        if reply.is_error:
            _raise(reply)
        return reply


def _raise(reply: "httpx.Response") -> NoReturn:
    """Raise the error that a problem document describes."""
    is_problem = reply.headers.get("content-type", "").startswith("application/problem+json")
    problem = reply.json() if is_problem else {"code": "http", "detail": reply.text}
    if problem["code"] in ERRORS:
        raise ERRORS[problem["code"]](problem["detail"])
    wait = reply.headers.get("retry-after", "")
    retry_after_s = float(wait) if wait.isdecimal() else None
    raise ServiceError(reply.status_code, problem["code"], problem["detail"], retry_after_s=retry_after_s)


def _filter_fields(where: TrackFilter | None) -> dict[str, Any]:
    """Write a filter as a service reads it."""
    if where is None:
        return {}
    if where.folder is not None:
        raise ValueError("where must not name a folder: a service has its own")
    return {field.name: value for field in fields(where) if (value := getattr(where, field.name)) is not None}


def _of(kind: type[T], answer: Mapping[str, Any]) -> T:
    """Build a value from JSON; unknown fields of newer services are ignored."""
    known = {field.name: answer[field.name] for field in fields(kind)}  # type: ignore[arg-type]
    if isinstance(known.get("track"), dict):
        known["track"] = _of(ServedTrack, known["track"])
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in known.items()})
