"""API tokens of a catalogue: names, scopes and SHA-256 hashes in a small file beside it.

A token is shown once, when it is made; only its SHA-256 is stored, from which it cannot be recovered (a token is 256
random bits and cannot be guessed, so no slow hash is needed). If the file exists, every request needs a token: removing
the last token locks everybody out, deleting the file lets everybody in.
"""

import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from audio_engine.atomic_files import naming_full_disk, whole_file
from audio_engine.errors import CatalogueError

FILE_NAME = "tokens.json"  # in the catalogue's folder

Scope = Literal["read", "write"]  # "write" may also change the catalogue


@dataclass(frozen=True, kw_only=True)
class Token:
    """A stored token."""

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
        """Whether requests need a token."""
        return self.path.exists()

    def all(self) -> list[Token]:
        """List the tokens currently in the file."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return []
        if (stamp := (status.st_mtime_ns, status.st_ino)) != self._stamp:
            self._tokens = self._read()
            self._stamp = stamp
        return self._tokens

    def find(self, secret: str) -> Token | None:
        """Find the token with this secret; None if there is none. Wrong secrets all take the same time."""
        sha256 = _hash(secret)
        found = [token for token in self.all() if hmac.compare_digest(token.sha256, sha256)]
        return found[0] if found else None

    def add(self, name: str, scope: Scope) -> str:
        """Create a token and return its secret, which cannot be recovered later.

        Raises
        ------
        ValueError
            When the name is empty or taken, or the scope is unknown.
        """
        if not name or any(token.name == name for token in self.all()):
            raise ValueError(f"name must be new and not empty, got {name!r}")
        if scope not in {"read", "write"}:
            raise ValueError(f"scope must be read or write, got {scope!r}")
        secret = secrets.token_urlsafe(32)
        self._write([*self.all(), Token(name=name, scope=scope, sha256=_hash(secret))])
        return secret

    def remove(self, name: str) -> None:
        """Remove a token, with immediate effect on a running service.

        Raises
        ------
        ValueError
            When there is no token of this name.
        """
        rest = [token for token in self.all() if token.name != name]
        if len(rest) == len(self.all()):
            raise ValueError(f"name must be that of a token, got {name!r}")
        self._write(rest)

    def _read(self) -> list[Token]:
        """Read the file; a damaged one lets nobody in."""
        try:
            return [Token(**token) for token in json.loads(self.path.read_text(encoding="utf-8"))]
        except (ValueError, TypeError) as error:
            raise CatalogueError(
                f"tokens must be a list of name, scope and sha256, got {str(self.path)!r}: {error}"
            ) from error

    def _write(self, tokens: list[Token]) -> None:
        """Replace the file with a new one that only its owner can read."""
        with naming_full_disk(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(self.path) as new:
            new.touch(0o600, exist_ok=False)
            new.write_text(json.dumps([asdict(token) for token in tokens], indent=1), encoding="utf-8")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
