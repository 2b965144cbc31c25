"""Reports of evaluations: measures as Markdown tables for people and rows for programs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from audio_engine.metrics.results import Result, to_table


@dataclass(frozen=True, kw_only=True)
class SimilarityReport:
    """The result of `evaluate_similarity`."""

    measures: tuple[Result, ...]
    relevant: str  # the column by which tracks are relevant to each other
    n_tracks: int
    n_alone: int  # tracks with no other that is relevant; they score 0
    model_id: str
    failed: tuple[str, ...] = ()  # files that could not be read, with the reason

    def rows(self) -> list[dict[str, Any]]:
        """List the measures as objects for JSON: method, metric, value, low, high, n."""
        return [measure.row() for measure in self.measures]

    def value(self, method: str, metric: str) -> float:
        """Look up one figure.

        Raises
        ------
        LookupError
            When it was not measured.
        """
        for measure in self.measures:
            if (measure.method, measure.metric) == (method, metric):
                return measure.value
        raise LookupError(f"method and metric must have been measured, got {method!r} and {metric!r}")

    def to_markdown(self) -> str:
        """Format a table: a row per metric, a column per method, 95 % intervals in brackets."""
        methods, body = to_table(self.measures, by=["metric"], across="method")
        lines = aligned([["", *methods], *(metric + cells for metric, cells in body)])
        about = (
            f"{self.n_tracks} tracks, relevant: same {self.relevant} ({self.n_alone} have no other and score 0); "
            f"model {self.model_id}; brackets: 95 % bootstrap intervals over queries"
        )
        return "\n".join([*lines, "", about])


def aligned(rows: Iterable[list[str]]) -> Iterator[str]:
    """Format rows as the lines of a Markdown table, columns padded to one width; the first row is the heading."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        if number == 0:
            yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"
