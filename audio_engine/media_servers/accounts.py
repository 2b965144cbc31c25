"""Accounts on media servers: address, user and secret of each, in a small file that only its owner can read.

The secret is never a password where the server allows anything else: of a Subsonic password its salted MD5 is kept,
which opens that API and nothing else, and of a Jellyfin password the access token that it was exchanged for.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

from audio_engine.atomic_files import naming_full_disk, whole_file
from audio_engine.errors import CatalogueError

FILE_NAME = "media_servers.json"  # in the catalogue's folder
OWNER_ONLY = 0o600  # mode of the file

Kind = Literal["navidrome", "jellyfin", "subsonic"]


@dataclass(frozen=True, kw_only=True)
class Root:
    """A folder as the server names it, and where the same files lie here."""

    server: str  # "": the server gives paths that are relative to its music folder
    local: str  # absolute


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who asks a server, and how.

    Raises
    ------
    ValueError
        When the kind is unknown, or the address is none, or holds a password.
    """

    name: str  # what the server goes by here
    kind: Kind
    url: str
    user: str
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)  # as the client of this kind needs them
    roots: tuple[Root, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}, got {self.kind!r}")
        address = urlsplit(self.url)
        if address.username or address.password or address.query:
            raise ValueError("url must hold no user, password or query: they would be seen in logs")
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise ValueError(f"url must be as http://music.example:4533, got {self.url!r}")


class AccountFile:
    """The accounts of one catalogue, in the order in which they were added.

    Parameters
    ----------
    directory
        The catalogue's folder.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME

    def all(self) -> list[Account]:
        """List the accounts.

        Raises
        ------
        CatalogueError
            When the file is damaged.
        """
        try:
            return [_account_of(values) for values in json.loads(self.path.read_text(encoding="utf-8"))]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, KeyError):  # which may quote what the file holds, and so are not passed on
            raise CatalogueError(
                f"accounts must be a list of servers, got another file {str(self.path)!r} (delete it and link again)"
            ) from None

    def find(self, name: str) -> Account | None:
        """Find an account by its name; None if there is none."""
        return next((account for account in self.all() if account.name == name), None)

    def put(self, account: Account) -> None:
        """Add an account, or replace the one of the same name."""
        accounts = {each.name: each for each in self.all()} | {account.name: account}
        self._write(list(accounts.values()))

    def remove(self, name: str) -> None:
        """Remove an account, if there is one of this name."""
        accounts = self.all()
        if any(account.name == name for account in accounts):
            self._write([account for account in accounts if account.name != name])

    def _write(self, accounts: list[Account]) -> None:
        """Replace the file with a new one that only its owner can read."""
        with naming_full_disk(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(self.path) as new:
            new.touch(OWNER_ONLY, exist_ok=False)
            new.write_text(json.dumps([asdict(account) for account in accounts], indent=1), encoding="utf-8")


def _account_of(values: dict[str, object]) -> Account:
    roots = values.pop("roots")
    return Account(**values, roots=tuple(Root(**root) for root in roots))  # type: ignore[arg-type, attr-defined]
