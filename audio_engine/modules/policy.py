"""The policy of a home page, as it stands in a TOML file: slots, weight of value, floors, and the cap on change."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXAMPLE = Path(__file__).parent / "modules.toml"


@dataclass(frozen=True, kw_only=True)
class Floor:
    """At least so many users have a kind in the first slots."""

    kind: str
    users: float  # a share below 1, or a whole number of users
    within: int | None = None  # slots from the top; None: anywhere

    def __post_init__(self) -> None:
        if not _is_number(self.users) or self.users <= 0 or (self.users > 1 and self.users != int(self.users)):
            raise ValueError(f"users of a floor must be a share below 1 or a whole number, got {self.users}")
        if self.within is not None and (not isinstance(self.within, int) or self.within < 1):
            raise ValueError(f"within must be a number of slots from 1, got {self.within}")

    def n_users(self, n_all: int) -> int:
        """Count the users that it asks for, of so many."""
        is_share = isinstance(self.users, float) and self.users <= 1
        return math.ceil(self.users * n_all - 1e-9) if is_share else int(self.users)

    def __str__(self) -> str:
        where = "" if self.within is None else f" in the first {self.within} slots"
        return f"{self.kind}{where}"


@dataclass(frozen=True, kw_only=True)
class ModulePolicy:
    """All that a plan has to keep to."""

    slots: tuple[float, ...]  # how likely each is seen, 0 to 1, not rising from the top
    alpha: float = 0.0  # weight of value, 0 or more
    max_changed: int | None = None  # slots that may differ from yesterday's; None: all
    floors: tuple[Floor, ...] = ()

    def __post_init__(self) -> None:
        if not self.slots or not all(_is_number(weight) and 0 <= weight <= 1 for weight in self.slots):
            raise ValueError(f"slots must be one or more numbers between 0 and 1, got {list(self.slots)}")
        if any(low > high for high, low in zip(self.slots, self.slots[1:], strict=False)):
            raise ValueError(f"slots must not rise from the top, got {list(self.slots)}")
        if not (_is_number(self.alpha) and 0 <= self.alpha < math.inf):
            raise ValueError(f"alpha must be 0 or more, got {self.alpha}")
        if self.max_changed is not None and (not isinstance(self.max_changed, int) or self.max_changed < 0):
            raise ValueError(f"max_changed must be a number of slots from 0, got {self.max_changed}")

    @property
    def weights(self) -> NDArray[np.float64]:
        """How likely each slot is seen (n_slots,)."""
        return np.array(self.slots, np.float64)


def read_policy(file: Path) -> ModulePolicy:
    """Read a policy.

    Parameters
    ----------
    file
        TOML, laid out as modules.toml in this folder.

    Raises
    ------
    ValueError
        If it is not TOML, or has a name or a value that a policy cannot have.
    """
    try:
        found = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file.name} must be TOML, got {error}") from error
    floors = found.pop("floor", [])
    if not isinstance(floors, list) or not all(isinstance(floor, dict) for floor in floors):
        raise ValueError(f"floor must be [[floor]] tables, got {floors!r}")
    _check_names(found, ModulePolicy, where="policy")
    for floor in floors:
        _check_names(floor, Floor, where="floor")
    if not isinstance(found.get("slots"), list):
        raise ValueError(f"slots must be a list of numbers, got {found.get('slots')!r}")
    slots = tuple(found.pop("slots"))
    return ModulePolicy(**found, slots=slots, floors=tuple(Floor(**floor) for floor in floors))


def _check_names(given: Mapping[str, Any], into: type[ModulePolicy] | type[Floor], *, where: str) -> None:
    """Refuse names that are not known, and a floor without its kind or users."""
    known = {field.name for field in fields(into)} - {"floors"}
    if unknown := sorted(set(given) - known):
        raise ValueError(f"{where} must have only {', '.join(sorted(known))}, got {', '.join(unknown)}")
    if into is Floor and (missing := {"kind", "users"} - set(given)):
        raise ValueError(f"floor must have kind and users, got none of {', '.join(sorted(missing))}")


def _is_number(value: object) -> bool:
    """Tell whether TOML gave a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
