"""Multipart uploads, streamed to disk as one copy of the file, which is deleted after the request.

FastAPI reads forms before it calls a route; here a request is authorised, and has a place in the queue, before a byte
of it is stored. The client's file name is never used as a name here.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, BinaryIO
from uuid import uuid4

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from audio_engine import DecodeError
from audio_engine.atomic_files import naming_full_disk
from audio_engine.catalogue.tags import one_line

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FIELDS = 32
MAX_FIELD_BYTES = 65_536
WRITE_BYTES = 1 << 20  # gathered before a thread writes them
MULTIPART = "multipart/form-data"


@dataclass(kw_only=True)
class Upload:
    """What came in."""

    path: Path  # where it lies for now
    name: str = ""  # the sender's, not to be trusted
    fields: dict[str, str] = field(default_factory=dict)
    is_given_up: Event = field(default_factory=Event)  # set once nobody waits for the answer

    @property
    def shown_name(self) -> str:
        """The sender's name, fit to be shown: its last part, on one line."""
        return one_line(self.name.replace("\\", "/").rpartition("/")[2])

    @contextmanager
    def decoding(self) -> Iterator[Path]:
        """Give the path to what decodes it; where that lies is nobody's business, whatever goes wrong."""
        try:
            yield self.path
        except DecodeError as error:
            raise type(error)(str(error).removeprefix(f"{self.path}: ")) from error


@asynccontextmanager
async def received(request: Request, folder: Path, *, timeout_s: float) -> AsyncIterator[Upload]:
    """Receive a body; the file is deleted at the end, if it still lies where it came in.

    Raises
    ------
    HTTPException
        400 where the body is malformed, 408 where it takes too long, 413 where a field is too large, 415 where it is
        none of multipart.
    RequestValidationError
        When it holds no file.
    """
    form = _Form(folder / uuid4().hex)
    try:
        try:
            async with asyncio.timeout(timeout_s):
                await _receive(request, form)
        except TimeoutError as error:
            detail = f"body must come in within {timeout_s:g} s"
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, detail) from error
        if not form.has_file:
            raise missing("file")
        yield form.upload
    finally:
        form.close()
        form.upload.path.unlink(missing_ok=True)


def missing(name: str) -> RequestValidationError:
    """Say that a part of the body is missing."""
    return RequestValidationError([{"type": "missing", "loc": ("body", name), "msg": "Field required"}])


async def _receive(request: Request, form: "_Form") -> None:
    """Feed a form with a body."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    if not kind:
        return
    if kind != MULTIPART.encode() or b"boundary" not in options:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content-type must be {MULTIPART} with a boundary")
    try:
        parser = MultipartParser(options[b"boundary"], form.callbacks())
        async for piece in request.stream():
            parser.write(piece)
            if len(form.unwritten) >= WRITE_BYTES:
                await asyncio.to_thread(form.write)
        parser.finalize()
    except FormParserError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"body must be {MULTIPART}: {error}") from error
    if form.is_in_part:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"body must be {MULTIPART}, got one that ends within a part")
    await asyncio.to_thread(form.write)


class _Form:
    """A form in the making: the parser calls back for each piece of each part."""

    def __init__(self, path: Path) -> None:
        self.upload = Upload(path=path)
        self.unwritten = bytearray()
        self.has_file = self.is_in_part = False
        self._file: BinaryIO | None = None
        self._header, self._headers = (bytearray(), bytearray()), dict[str, str]()
        self._name, self._value, self._is_file = "", bytearray(), False

    def callbacks(self) -> "MultipartCallbacks":
        """Say what is to be called when."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._data,
            "on_part_end": self._end,
        }

    def write(self) -> None:
        """Write what has been gathered of the file."""
        if self.has_file:
            with naming_full_disk(self.upload.path.parent):
                if self._file is None:
                    self.upload.path.parent.mkdir(parents=True, exist_ok=True)
                    self._file = self.upload.path.open("xb", buffering=0)
                written = 0
                while written < len(self.unwritten):  # where there is little space left, a part is written at first
                    written += self._file.write(bytes(self.unwritten[written:]))
            self.unwritten.clear()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _begin(self) -> None:
        self.is_in_part = True
        self._headers.clear()
        self._value.clear()

    def _end_header(self) -> None:
        name, value = (bytes(part).decode("latin-1") for part in self._header)
        self._headers[name.lower()] = value
        self._header = (bytearray(), bytearray())

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition"))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._is_file = self._name == "file"
        if self._is_file and self.has_file:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "body must hold one file, got more")
        if self._is_file:
            self.has_file = True
            self.upload.name = options.get(b"filename", b"").decode("utf-8", "replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        into = self.unwritten if self._is_file else self._value
        into += data[start:end]
        if not self._is_file and len(into) > MAX_FIELD_BYTES:
            raise HTTPException(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a field must have at most {MAX_FIELD_BYTES} bytes"
            )

    def _end(self) -> None:
        self.is_in_part = False
        if not self._is_file:
            if len(self.upload.fields) == MAX_FIELDS or self._name in self.upload.fields:
                raise HTTPException(HTTPStatus.BAD_REQUEST, f"body must hold at most {MAX_FIELDS} fields, each once")
            self.upload.fields[self._name] = self._value.decode("utf-8", "replace")
