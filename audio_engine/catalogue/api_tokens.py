"""A token that someone shows in, who that is and what they may do out: a small file of hashes beside the catalogue.

The rule kept: a token is told once, when it is made; what is kept is its SHA-256, from which it cannot be had back (a
token is 256 random bits: nothing to be guessed, so no slow hash is needed). Where there is a file, tokens are needed:
taking the last one back lets nobody in, deleting the file lets everybody in.
"""

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from audio_engine.atomic_files import naming_full_disk
from audio_engine.errors import CatalogueError

FILE_NAME = "tokens.json"  # in the catalogue's folder

Scope = Literal["read", "write"]  # to ask; to change the catalogue, too


@dataclass(frozen=True, kw_only=True)
class Token:
    """What is kept of a token."""

    name: str
    scope: Scope
    sha256: str  # hexadecimal


class TokenFile:
    """The tokens of one catalogue.

    Parameters
    ----------
    directory
        The catalogue's folder.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> tokens = TokenFile(Path(mkdtemp()))
    >>> secret = tokens.add("player", "read")
    >>> tokens.find(secret).name, tokens.find("guess")
    ('player', None)
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self._stamp: tuple[int, int] | None = None
        self._tokens: list[Token] = []

    @property
    def exists(self) -> bool:
        """Whether tokens are needed."""
        return self.path.exists()

    def all(self) -> list[Token]:
        """List the tokens, as the file has them now."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return []
        if (stamp := (status.st_mtime_ns, status.st_ino)) != self._stamp:
            self._tokens = self._read()
            self._stamp = stamp
        return self._tokens

    def find(self, secret: str) -> Token | None:
        """Find whose token this is; None where it is nobody's. Takes as long for any that is wrong."""
        sha256 = _hash(secret)
        found = [token for token in self.all() if hmac.compare_digest(token.sha256, sha256)]
        return found[0] if found else None

    def add(self, name: str, scope: Scope) -> str:
        """Make a token; what is returned is to be handed on, and cannot be had again.

        Raises
        ------
        ValueError
            When the name is empty or taken, or the scope is none.
        """
        if not name or any(token.name == name for token in self.all()):
            raise ValueError(f"name must be new and not empty, got {name!r}")
        if scope not in {"read", "write"}:
            raise ValueError(f"scope must be read or write, got {scope!r}")
        secret = secrets.token_urlsafe(32)
        self._write([*self.all(), Token(name=name, scope=scope, sha256=_hash(secret))])
        return secret

    def remove(self, name: str) -> None:
        """Take a token back; a service that runs knows at once.

        Raises
        ------
        ValueError
            When there is none of this name.
        """
        rest = [token for token in self.all() if token.name != name]
        if len(rest) == len(self.all()):
            raise ValueError(f"name must be that of a token, got {name!r}")
        self._write(rest)

    def _read(self) -> list[Token]:
        """Read the file; one that is damaged lets nobody in."""
        try:
            return [Token(**token) for token in json.loads(self.path.read_text(encoding="utf-8"))]
        except (ValueError, TypeError) as error:
            raise CatalogueError(
                f"tokens must be a list of name, scope and sha256, got {str(self.path)!r}: {error}"
            ) from error

    def _write(self, tokens: list[Token]) -> None:
        """Put a new file in the place of the old one, for its owner's eyes only."""
        new = self.path.with_suffix(f".{os.getpid()}.new")
        with naming_full_disk(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump([asdict(token) for token in tokens], file, indent=1)
            new.replace(self.path)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
