"""The rules of tiers, as they stand in a TOML file: thresholds of activity, and filters that define vertical tiers."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from audio_engine.users.persona import MEASURES
from audio_engine.users.track_facts import DIMENSIONS

DEFAULT_RULES = Path(__file__).parent / "tiers.toml"
ACTIVITY_TIERS = ("not seen", "new", "low asset", "core active")


@dataclass(frozen=True, kw_only=True)
class Quantile:
    """A threshold that is learned: this quantile of the users who are seen and not new."""

    quantile: float  # 0 to 1

    def __post_init__(self) -> None:
        if not 0 <= self.quantile <= 1:
            raise ValueError(f"quantile must be between 0 and 1, got {self.quantile}")

    def __str__(self) -> str:
        return f"quantile {self.quantile:g}"


T = TypeVar("T")
Threshold = float | Quantile


@dataclass(frozen=True, kw_only=True)
class ActivityRules:
    """Thresholds of the activity tiers: see tiers.toml."""

    window_days: float
    not_seen_days: float
    new_days: float
    core_active_days: Threshold
    core_plays: Threshold
    core_assets: Threshold

    def __post_init__(self) -> None:
        for name in ("window_days", "not_seen_days", "new_days"):
            value = getattr(self, name)
            if not (isinstance(value, float) and value > 0):
                raise ValueError(f"{name} must be days above 0, got {value}")


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One condition of a vertical tier: of exactly one of the four kinds."""

    tier: tuple[str, ...] = ()  # activity tiers, one of these
    persona: str = ""  # a measure,
    stars_from: int = 1  # … with so many stars or more
    attribute: str = ""  # a column of users,
    is_: tuple[str, ...] = ()  # … that is one of these, as text
    dimension: str = ""  # of the profile,
    value: str = ""  # … with this value
    preference_from: float = -1.0
    confidence_from: float = 0.0
    share_from: float = 0.0

    def __post_init__(self) -> None:
        kinds = [name for name in ("tier", "persona", "attribute", "dimension") if getattr(self, name)]
        if len(kinds) != 1:
            raise ValueError(f"a condition must have one of tier, persona, attribute and dimension, got {kinds}")
        for name, allowed in (("tier", ACTIVITY_TIERS), ("persona", MEASURES), ("dimension", DIMENSIONS)):
            given = getattr(self, name)
            for each in (given,) if isinstance(given, str) else given:
                if each and each not in allowed:
                    raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {each!r}")

    def __str__(self) -> str:
        if self.tier:
            return f"activity is {' or '.join(self.tier)}"
        if self.persona:
            return f"{self.persona} has {self.stars_from} stars or more"
        if self.attribute:
            return f"{self.attribute} is {' or '.join(self.is_)}"
        bounds = {"preference": self.preference_from, "confidence": self.confidence_from, "share": self.share_from}
        floors = {"preference": -1.0}
        told = [f"{name} ≥ {bound:g}" for name, bound in bounds.items() if bound > floors.get(name, 0.0)]
        return f"{self.dimension} {self.value}: {', '.join(told) or 'played'}"


@dataclass(frozen=True, kw_only=True)
class VerticalTier:
    """A named filter: users who meet all of its conditions."""

    name: str
    where: tuple[Condition, ...]


@dataclass(frozen=True, kw_only=True)
class TierRules:
    """All rules."""

    activity: ActivityRules
    verticals: tuple[VerticalTier, ...] = field(default=())

    def rows(self) -> Iterator[tuple[str, str]]:
        """Lay the rules out for a person: what, and which."""
        for each in fields(self.activity):
            value = getattr(self.activity, each.name)
            yield each.name.replace("_", " "), f"{value:g}" if isinstance(value, float) else str(value)
        for tier in self.verticals:
            yield tier.name, "; ".join(map(str, tier.where))


def read_rules(file: Path | None = None) -> TierRules:
    """Read rules.

    Parameters
    ----------
    file
        TOML, laid out as tiers.toml in this folder; what it does not have is taken from there. None: those.

    Raises
    ------
    ValueError
        When it is no TOML, or has a name that is not known or a value that cannot be.
    """
    rules = _load(DEFAULT_RULES)
    if file is not None:
        own = _load(file)
        unknown = set(own) - set(rules)
        if unknown:
            raise ValueError(
                f"{file.name} must have the tables activity and vertical, got {', '.join(sorted(unknown))}"
            )
        rules = rules | own | {"activity": rules["activity"] | own.get("activity", {})}
    try:
        verticals = tuple(_vertical(each) for each in rules["vertical"])
        activity = {name: _threshold(value, name) for name, value in rules["activity"].items()}
        return TierRules(activity=_known(ActivityRules, activity), verticals=verticals)
    except (TypeError, AttributeError) as error:  # a list for a table, a text for a number
        raise ValueError(f"rules must be laid out as users tiers --show-rules prints them: {error}") from error


def _load(file: Path) -> dict[str, Any]:
    """Read TOML."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} must be TOML: {error}") from error


def _threshold(value: object, name: str) -> Threshold:
    """Read a number, or a quantile."""
    if isinstance(value, Mapping) and set(value) == {"quantile"}:
        return Quantile(quantile=value["quantile"])
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"{name} must be a number or {{ quantile = 0.5 }}, got {value!r}")


def _vertical(given: Mapping[str, Any]) -> VerticalTier:
    """Read a vertical tier."""
    if set(given) != {"name", "where"}:
        raise ValueError(f"a vertical tier must have a name and where, got {', '.join(given) or 'neither'}")
    return VerticalTier(name=str(given["name"]), where=tuple(map(_condition, given["where"])))


def _condition(given: Mapping[str, Any]) -> Condition:
    """Read a condition."""
    values = {"is_" if name == "is" else name: value for name, value in given.items()}
    for name in ("tier", "is_"):
        if name in values:
            listed = values[name] if isinstance(values[name], list) else [values[name]]
            values[name] = tuple(map(str, listed))
    return _known(Condition, values)


def _known(kind: type[T], values: Mapping[str, Any]) -> T:
    """Make a dataclass, refusing names that it does not have."""
    names = [each.name for each in fields(kind)]  # type: ignore[arg-type]
    unknown = [name for name in values if name not in names]
    if unknown:
        raise ValueError(
            f"rules must be among {', '.join(name.rstrip('_') for name in names)}, got {', '.join(unknown)}"
        )
    return kind(**values)
