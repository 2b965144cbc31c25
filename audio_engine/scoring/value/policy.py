"""The policy of a track's value: weights of the dimensions and business rules, read from one TOML file.

The file holds all of it, and a comment on each entry says what it does: `EXAMPLE`, which is the policy where none is
given. Nothing in it is code, and an entry that is misspelt or impossible is refused by its name.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).with_name("policy.toml")
DIMENSIONS = ("heat", "quality", "pay", "circle", "pull_new", "pull_returning", "soaring", "freshness")


@dataclass(frozen=True, kw_only=True)
class Signals:
    """What a play is worth: the weight of each thing that may happen to it (chosen in docs/experiments/value.md)."""

    completion: float = 0.25  # times the share of the track that was played, 0 to 1
    like: float = 1.0
    favourite: float = 3.0
    share: float = 0.5
    skip: float = -0.1
    dislike: float = -0.1

    def __post_init__(self) -> None:
        for each in fields(self):
            _check_number(f"signals.{each.name}", getattr(self, each.name))


@dataclass(frozen=True, kw_only=True)
class Times:
    """Windows and half-lives, in days."""

    heat_half_life: float = 60.0  # after which a play counts half
    freshness_half_life: float = 30.0  # after which a release is half as fresh
    after_play: float = 7.0  # an event belongs to the user's last play of the track within so many days
    absence: float = 14.0  # a user who has not played for so long was away
    visit_gap: float = 0.02  # without a play that ends a visit: half an hour

    def __post_init__(self) -> None:
        for each in fields(self):
            _check_number(f"times.{each.name}", getattr(self, each.name), above=0.0)


@dataclass(frozen=True, kw_only=True)
class Soaring:
    """What counts as soaring."""

    top_share: float = 0.2  # of the tracks played so far: those with the most plays in the days to come
    days: int = 7

    def __post_init__(self) -> None:
        _check_number("soaring.top_share", self.top_share, above=0.0, below=1.0)
        if not (isinstance(self.days, int) and self.days > 0):
            raise ValueError(f"soaring.days must be a whole number above 0, got {self.days!r}")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A business rule over the tracks that have one of some values in a column of the table of tracks."""

    name: str
    column: str
    values: tuple[str, ...]  # as text: true, 7, Some label
    weight: float = 0.0  # added to the score of these tracks
    floor: float = 0.0  # at least this share of the places
    quota: float = 1.0  # at most this share of the places

    def __post_init__(self) -> None:
        place = f"rule {self.name!r}:"
        if not self.values:
            raise ValueError(f"{place} values must name some values of {self.column!r}, got none")
        _check_number(f"{place} weight", self.weight)
        for share in ("floor", "quota"):
            _check_number(f"{place} {share}", getattr(self, share), least=0.0, most=1.0)
        if self.floor > self.quota:
            raise ValueError(f"{place} floor must be at most the quota {self.quota:g}, got {self.floor:g}")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """All that makes a value out of a log."""

    weights: Mapping[str, float] = field(default_factory=dict)  # of the dimensions; one that is not there has 0
    signals: Signals = field(default_factory=Signals)
    times: Times = field(default_factory=Times)
    soaring: Soaring = field(default_factory=Soaring)
    circle_columns: tuple[str, ...] = ("circle",)  # of the table of users: users alike in all of them are a circle
    places: int = 100  # from the first, in which floors and quotas hold
    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        for name, weight in self.weights.items():
            if name not in DIMENSIONS:
                raise ValueError(f"weights must be of {', '.join(DIMENSIONS)}, got one of {name!r}")
            _check_number(f"weights.{name}", weight)
        if not (isinstance(self.places, int) and self.places > 0):
            raise ValueError(f"list.places must be a whole number above 0, got {self.places!r}")
        names = [rule.name for rule in self.rules]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"rules must have a name each, got {name!r} twice")

    def weight(self, dimension: str) -> float:
        """Return the weight of a dimension."""
        return self.weights.get(dimension, 0.0)


def read_policy(path: Path | None = None) -> Policy:
    """Read a policy.

    Parameters
    ----------
    path
        A TOML file as `EXAMPLE` is one; None: that itself. What a file leaves out is as the classes here have it, and
        a weight that is left out is 0.

    Returns
    -------
    policy

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When it is no TOML, or an entry is unknown or impossible; the message names file and entry.
    """
    path = path or EXAMPLE
    try:
        with path.open("rb") as file:
            entries = tomllib.load(file)
        return _policy(entries)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} must be TOML, got {error}") from error
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error


def _policy(entries: Mapping[str, Any]) -> Policy:
    """Build a policy of the tables of its file."""
    tables = ("weights", "signals", "times", "soaring", "circles", "list", "rules")
    _check_known(entries, tables, "a policy")
    weights, circles, places = (_table(entries, name) for name in ("weights", "circles", "list"))
    _check_known(circles, ("columns",), "circles")
    _check_known(places, ("places",), "list")
    rules = entries.get("rules", [])
    if not isinstance(rules, list):
        raise ValueError(f"rules must be tables headed [[rules]], got {rules!r}")
    return Policy(
        weights=weights,
        signals=Signals(**_known(entries, "signals", Signals)),
        times=Times(**_known(entries, "times", Times)),
        soaring=Soaring(**_known(entries, "soaring", Soaring)),
        circle_columns=_texts(circles.get("columns", ["circle"]), "circles.columns"),
        places=places.get("places", 100),
        rules=tuple(_rule(rule, number) for number, rule in enumerate(rules, 1)),
    )


def _rule(entries: Any, number: int) -> Rule:
    """Build a rule of its table."""
    if not isinstance(entries, Mapping):
        raise ValueError(f"rule {number} must be a table headed [[rules]], got {entries!r}")
    _check_known(entries, [each.name for each in fields(Rule)], f"rule {number}")
    for name in ("name", "column", "values"):
        if not entries.get(name):
            raise ValueError(f"rule {number} must have an entry {name!r}, got {', '.join(entries) or 'none'}")
    (name,), (column,) = (_texts([entries[key]], f"rule {number}: {key}") for key in ("name", "column"))
    values = _texts(entries["values"], f"rule {number}: values")
    return Rule(**{**entries, "name": name, "column": column, "values": values})


def _known(entries: Mapping[str, Any], name: str, kind: type) -> Mapping[str, Any]:
    """Take a table whose entries are the fields of a class."""
    table = _table(entries, name)
    _check_known(table, [each.name for each in fields(kind)], name)
    return table


def _table(entries: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Take a table, empty where there is none."""
    table = entries.get(name, {})
    if not isinstance(table, Mapping):
        raise ValueError(f"{name} must be a table headed [{name}], got {table!r}")
    return table


def _texts(values: Any, name: str) -> tuple[str, ...]:
    """Write values of the table of tracks as text."""
    if not isinstance(values, list) or any(isinstance(value, list | Mapping) for value in values):
        raise ValueError(f"{name} must be values in brackets, got {values!r}")
    return tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in values)


def _check_known(entries: Mapping[str, Any], known: list[str] | tuple[str, ...], name: str) -> None:
    """Refuse an entry that means nothing here: most likely it is misspelt."""
    for entry in entries:
        if entry not in known:
            raise ValueError(f"{name} must hold no other entries than {', '.join(known)}, got {entry!r}")


def _check_number(  # noqa: PLR0913  (the limits)
    name: str,
    value: Any,
    *,
    above: float = -math.inf,
    below: float = math.inf,
    least: float = -math.inf,
    most: float = math.inf,
) -> None:
    """Refuse what is no number, or outside of its limits."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if is_number and above < value < below and least <= value <= most:
        return
    limits = {"above": above, "below": below, "at least": least, "at most": most}
    words = " and ".join(f"{word} {limit:g}" for word, limit in limits.items() if math.isfinite(limit))
    raise ValueError(f"{name} must be a number{' ' * bool(words)}{words}, got {value!r}")
