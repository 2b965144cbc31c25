"""Files as answers: conditional requests and ranges by the rules of HTTP, of which Starlette keeps a part.

A range that is not written as the standard has it, or counts in another unit, is ignored: the whole file comes. One
that lies outside the file is a 416; of several, those that lie within are sent.

References
----------
R. Fielding, M. Nottingham, J. Reschke, HTTP Semantics, RFC 9110, 2022: sections 8.8 (validators), 13 (conditional
requests: their order is that of 13.2.2) and 14 (range requests, which are defined for GET alone).
"""

import asyncio
import os
import re
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from fastapi import HTTPException, Response
from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

MAX_RANGES = 100  # in one request; with more the whole file is sent
RANGE = re.compile(r"([0-9]+)-([0-9]*)|-([0-9]+)")  # bytes from … to …, or the last …
MAX_DIGITS = 18  # of a number of bytes; larger ones are all the same: beyond any file
KEPT = ("cache-control", "etag", "last-modified", "vary")  # headers of a 304


class SentFile(FileResponse):
    """A file, looked for at the moment when it is sent: it may go at any time."""

    gone = "the file is no longer where it was"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file or a part of it, or say that the client has it already, or that it is gone."""
        try:
            self.stat_result = await asyncio.to_thread(os.stat, self.path)
        except OSError as error:
            raise HTTPException(HTTPStatus.GONE, self.gone) from error
        self.set_stat_headers(self.stat_result)
        asked = Headers(scope=scope)
        if self._is_another(asked):
            raise HTTPException(HTTPStatus.PRECONDITION_FAILED, "the file has changed")
        if self._is_known(asked):
            kept = {name: self.headers[name] for name in KEPT if name in self.headers}
            return await Response(status_code=HTTPStatus.NOT_MODIFIED, headers=kept)(scope, receive, send)
        return await super().__call__(self._with_range(scope, asked), receive, send)

    def _is_another(self, asked: Headers) -> bool:
        """Tell whether the file is not the one that the client means."""
        if tags := _listed(asked, "if-match"):
            return tags != ["*"] and self.headers["etag"] not in tags
        return self._is_newer(asked.get("if-unmodified-since")) is True

    def _is_known(self, asked: Headers) -> bool:
        """Tell whether the client has the file as it is."""
        if tags := _listed(asked, "if-none-match"):
            return tags == ["*"] or self.headers["etag"] in [tag.removeprefix("W/") for tag in tags]
        return self._is_newer(asked.get("if-modified-since")) is False

    def _is_newer(self, date: str | None) -> bool | None:
        """Tell whether the file was changed after a date; None where that is none."""
        try:
            return parsedate_to_datetime(self.headers["last-modified"]) > parsedate_to_datetime(date or "")
        except (ValueError, TypeError):  # no such date, or one without a zone
            return None

    def _with_range(self, scope: Scope, asked: Headers) -> Scope:
        """Rewrite the header Range as Starlette understands it: ranges that lie in the file, or no such header."""
        others = [(name, value) for name, value in scope["headers"] if name != b"range"]
        n_bytes, etag = int(self.headers["content-length"]), self.headers["etag"]
        is_meant = asked.get("if-range", etag) in {etag, self.headers["last-modified"]}
        found = ranges_of(", ".join(asked.getlist("range")), n_bytes) if is_meant else None
        if found == []:
            detail = f"range must begin within the {n_bytes} bytes of the file, got {asked['range'][:80]!r}"
            headers = {"Content-Range": f"bytes */{n_bytes}"}
            raise HTTPException(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, detail, headers)
        text = ",".join(f"{first}-{last}" for first, last in found or ())
        return {**scope, "headers": [*others, (b"range", f"bytes={text}".encode())] if text else others}


def ranges_of(header: str, n_bytes: int) -> list[tuple[int, int]] | None:
    """Read the header ``Range``.

    Parameters
    ----------
    header
        As it came.
    n_bytes
        Of the file.

    Returns
    -------
    ranges
        First and last byte of each range that lies in the file, at least in part; none where no range does; None where
        the header is to be ignored.

    Examples
    --------
    >>> ranges_of("bytes=2-5", 10), ranges_of("bytes=-3", 10), ranges_of("bytes=8-99, 20-", 10)
    ([(2, 5)], [(7, 9)], [(8, 9)])
    >>> ranges_of("bytes=10-", 10), ranges_of("bytes=-0", 10)
    ([], [])
    >>> ranges_of("bytes=", 10), ranges_of("bytes=5-2", 10), ranges_of("seconds=0-5", 10)
    (None, None, None)
    """
    unit, _, text = header.partition("=")
    parts = [part.strip(" \t") for part in text.split(",")]
    written = [RANGE.fullmatch(part) for part in parts if part]
    if unit.strip().lower() != "bytes" or not 1 <= len(written) <= MAX_RANGES:
        return None
    ranges = []
    for match in written:
        if match is None:
            return None
        first, last, suffix = (_number(number) for number in match.groups(default=""))
        if first is not None and last is not None and last < first:
            return None
        if suffix is not None:
            first = max(0, n_bytes - suffix)
        ranges.append((first or 0, n_bytes - 1 if last is None else min(last, n_bytes - 1)))
    return [(first, last) for first, last in ranges if first < n_bytes]


def _number(digits: str) -> int | None:
    """Read a number of bytes; None where there is none."""
    digits = digits.lstrip("0") or digits[:1]
    return None if not digits else int(digits) if len(digits) <= MAX_DIGITS else 10**MAX_DIGITS


def _listed(asked: Headers, name: str) -> list[str]:
    """List the members of a header, which may have come in several lines."""
    return [member.strip() for line in asked.getlist(name) for member in line.split(",")]
