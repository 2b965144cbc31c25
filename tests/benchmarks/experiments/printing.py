"""Tables of the experiments on stdout."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from audio_engine.cli.printing import number, put_json, put_table


def put_rows(rows: Iterable[Any], *, by: Sequence[str], as_json: bool) -> None:
    """Print figures: a JSON line each for programs; for people a line per method, each figure with its interval."""
    lines: dict[tuple[object, ...], dict[str, str]] = {}
    for row in map(asdict, rows):
        if as_json:
            put_json(row)
        cell = f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        lines.setdefault(tuple(row[name] for name in by), {})[row["metric"]] = cell
    if lines and not as_json:
        metrics = list(next(iter(lines.values())))
        put_table([*by, *metrics], [[*map(number, key), *map(cells.get, metrics)] for key, cells in lines.items()])
