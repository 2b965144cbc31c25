"""Tables of the experiments on stdout."""

from collections.abc import Iterable, Sequence

from audio_engine.cli.printing import number, put_json, put_table
from audio_engine.metrics.results import Result, to_table


def put_rows(rows: Iterable[Result], *, by: Sequence[str], as_json: bool) -> None:
    """Print figures: a JSON line each for programs; for people a line per method, each figure with its interval."""
    if as_json:
        for row in rows:
            put_json(row.row())
        return
    columns, lines = to_table(rows, by=by)
    put_table([*by, *columns], [[*map(number, key), *cells] for key, cells in lines])
