"""HTTP requests to a media server, whose every failure is one `MediaServerError` that holds no secret.

Secrets travel in headers or in the body of a POST, never in an address: addresses are logged, by servers, proxies and
by httpx itself.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from audio_engine.errors import MediaServerError

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 60.0  # a page of a large library takes some servers long
RETRIES = 2  # of a connection that cannot be made
JSON = "application/json"
REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class Connection:
    """A connection to a server that answers with JSON.

    Parameters
    ----------
    url
        Where its API begins.
    """

    def __init__(self, url: str) -> None:
        import httpx  # noqa: PLC0415  (of the extra "client")

        self.url = url.rstrip("/")
        self._failures = (httpx.HTTPError, httpx.InvalidURL)
        transport = httpx.HTTPTransport(retries=RETRIES)
        self._http = httpx.Client(base_url=self.url, timeout=TIMEOUT_S, transport=transport)

    def close(self) -> None:
        """Close it."""
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Ask, and return the JSON of the answer; None where it is empty.

        Raises
        ------
        MediaServerError
            When the server cannot be reached, refuses, fails, or answers with something else than JSON.
        """
        reply = self._send(method, path, params=query, json=body, headers=headers)
        self._check(reply, path)
        return self._json(reply) if reply.content else None

    def post_form(self, path: str, form: Mapping[str, str | Sequence[str]]) -> Any:
        """Post a form, and return the JSON of the answer, with which some servers explain a status of failure too.

        Raises
        ------
        MediaServerError
            As `ask`.
        """
        reply = self._send("POST", path, data=form)
        if JSON not in reply.headers.get("content-type", ""):
            self._check(reply, path)
        return self._json(reply)

    def _send(self, method: str, path: str, **content: Any) -> "httpx.Response":
        try:
            return self._http.request(method, path, **content)
        except self._failures as error:
            raise MediaServerError(
                f"server must answer, got {error or type(error).__name__} from {self.url}"
            ) from error

    def _check(self, reply: "httpx.Response", path: str) -> None:
        """Refuse an answer whose status is not one of success."""
        if reply.status_code in REFUSED:
            raise MediaServerError(
                f"server {self.url} refuses: is the user, password or token right, and allowed this?"
            )
        if reply.is_redirect:
            raise MediaServerError(f"url must be where the server is, got {self.url}, from where it has moved")
        if not reply.is_success:
            raise MediaServerError(f"server {self.url} fails with status {reply.status_code} at {path}")

    def _json(self, reply: "httpx.Response") -> Any:
        try:
            return reply.json()
        except ValueError as error:
            raise MediaServerError(f"server must answer with JSON, got other content from {self.url}") from error


def as_object(value: Any) -> dict[str, Any]:
    """Return an object; an empty one where a server sends another thing, or nothing."""
    return value if isinstance(value, dict) else {}


def as_objects(value: Any) -> list[dict[str, Any]]:
    """Return a list of objects, where a server leaves an empty one out and writes one of a single object as that."""
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]


def required(value: Any, name: str) -> str:
    """Return a field of an object as text.

    Raises
    ------
    MediaServerError
        When it is empty or missing.
    """
    text = as_text(as_object(value).get(name))
    if not text:
        raise MediaServerError(f"server must answer with {name}, got an object without it")
    return text


def as_text(value: Any) -> str:
    """Return text that can be stored, where a server may send null, an id as a number, or half a surrogate pair."""
    return "" if value is None else str(value).encode("utf-8", "replace").decode("utf-8")


def as_seconds(value: Any, unit_s: float = 1.0) -> float | None:
    """Return a length in seconds; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return None
    return value * unit_s
