"""Results of evaluations: a figure of a method with its interval, as a row for programs and a cell for people."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean
from typing import Any

from audio_engine.metrics.bootstrap import Estimate


@dataclass(frozen=True, kw_only=True)
class Result:
    """One figure of one method."""

    method: str
    metric: str
    value: float
    low: float | None = None  # 95 % interval, if there is one
    high: float | None = None
    about: Mapping[str, Any] = field(default_factory=dict)  # other keys, such as seed, split or number of queries

    def row(self) -> dict[str, Any]:
        """Return a flat row for JSON: method, metric, value, low, high, then the keys of `about`."""
        figure = {name: getattr(self, name) for name in ("method", "metric", "value", "low", "high")}
        return figure | dict(self.about)

    def __str__(self) -> str:
        interval = "" if self.low is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{interval}"


def results_of(estimates: Mapping[str, Estimate], *, method: str, about: Mapping[str, Any]) -> Iterator[Result]:
    """Convert the estimates of a method, by metric, to results."""
    for metric, estimate in estimates.items():
        yield Result(method=method, metric=metric, about=about, **asdict(estimate))


def to_table(
    results: Iterable[Result], *, by: Sequence[str], across: str = "metric"
) -> tuple[list[str], list[tuple[list[Any], list[str]]]]:
    """Arrange results in a table.

    Parameters
    ----------
    results
        In the order of the lines and columns.
    by
        Keys of `Result.row`: each combination of their values is a line.
    across
        The key whose values are columns.

    Returns
    -------
    columns
        Values of `across`.
    lines
        For each, its values of `by`, and a cell per column: empty if there is no result, the mean if there are several
        (of several seeds).
    """
    cells: dict[tuple[Any, ...], dict[str, list[Result]]] = {}
    for result in results:
        row = result.row()
        cells.setdefault(tuple(row[name] for name in by), {}).setdefault(row[across], []).append(result)
    columns = list(dict.fromkeys(column for line in cells.values() for column in line))
    lines = [(list(key), [_cell(line.get(column, [])) for column in columns]) for key, line in cells.items()]
    return columns, lines


def _cell(results: Sequence[Result]) -> str:
    """Write what stands in one place of a table."""
    if len(results) < 2:
        return "".join(map(str, results))
    value, low, high = (fmean(getattr(result, name) for result in results) for name in ("value", "low", "high"))
    return str(replace(results[0], value=value, low=low, high=high))
