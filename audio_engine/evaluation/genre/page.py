"""Report files of the genre benchmark: JSON, Markdown, confusion matrices as PNG, and an HTML page with all of them."""
# ruff: noqa: PLC0415  (matplotlib is of the extra "genre")

import base64
import html
import json
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audio_engine.atomic_files import write_whole
from audio_engine.evaluation.genre.report import HEADLINE, GenreReport, GenreResult, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110
MAX_NAMED = 25  # up to so many genres, numbers are written into the cells
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:.5rem 0 1.5rem}td,th{padding:.25rem .75rem;border-bottom:1px solid #ccc;"
    "text-align:left}strong{color:#a00}figure{display:inline-block;margin:0 1rem 1rem 0}img{max-width:100%}"
)


def write_report(report: GenreReport, directory: Path) -> list[Path]:
    """Write the report in every format.

    Parameters
    ----------
    report
        From `benchmark.evaluate_genre`.
    directory
        Created if missing; files of the same names are overwritten.

    Returns
    -------
    files
        ``report.json``, ``report.md``, ``confusion-ENCODER.png`` of each encoder, and ``report.html``, which is
        self-contained.
    """
    directory.mkdir(parents=True, exist_ok=True)
    contents = {
        "report.json": (json.dumps(report.rows(), indent=1) + "\n").encode(),
        "report.md": (report.to_markdown() + "\n").encode(),
    }
    figures = dict(_figures(report))
    contents |= {name: picture for name, picture in figures.items() if name.startswith("confusion-")}
    contents["report.html"] = _page(report, figures).encode()
    for name, content in contents.items():
        write_whole(directory / name, content)
    return [directory / name for name in contents]


def _figures(report: GenreReport) -> Iterator[tuple[str, bytes]]:
    """Draw the figures: name and PNG."""
    headline = [result for result in report.results if result.classifier == HEADLINE] or list(report.results)
    yield "overview.png", _png(_bars(headline, report.most_frequent))
    for result in headline:
        if result.confusion:
            yield f"confusion-{re.sub('[^A-Za-z0-9-]+', '-', result.name)}.png", _png(_confusion(result, report.genres))


def _bars(results: list[GenreResult], most_frequent: float | None) -> "Figure":
    """Draw each encoder's figure and interval."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1 + 0.4 * len(results)), layout="constrained")
    axes = figure.subplots()
    for place, result in enumerate(reversed(results)):
        colour = "tab:orange" if result.trained_on_tags else "tab:blue"
        if result.accuracy is not None:
            axes.plot([result.accuracy.low, result.accuracy.high], [place, place], color=colour)
            axes.plot(result.accuracy.value, place, "o", color=colour)
        elif result.areas is not None:
            axes.plot(result.areas.roc_auc, place, "o", color=colour)
    axes.set_yticks(range(len(results)), [f"{result.name} ({result.dim})" for result in reversed(results)])
    if most_frequent is not None:
        axes.axvline(most_frequent, color="grey", linestyle=":", label="share of the most frequent genre")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False)  # above the axes, clear of the encoders
    what = "accuracy, 95 % interval (artists resampled)" if most_frequent is not None else "ROC-AUC, macro"
    axes.set_xlabel(f"{what}; {results[0].classifier}; orange: trained on genres or tags")
    axes.set_xlim(0, 1)
    return figure


def _confusion(result: GenreResult, genres: tuple[str, ...]) -> "Figure":
    """Draw the confusion matrix: a row per true genre, shares of its tracks as colour, numbers of tracks as text."""
    from matplotlib.figure import Figure

    counts = np.array(result.confusion)
    side = 2.5 + 0.45 * min(len(genres), 2 * MAX_NAMED)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(genres)), genres, rotation=90)
    axes.set_yticks(range(len(genres)), genres)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(result.name, fontsize="medium")
    if len(genres) <= MAX_NAMED:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour)
    return figure


def _png(figure: "Figure") -> bytes:
    """Render a figure to PNG bytes."""
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=DPI)
    return picture.getvalue()


def _page(report: GenreReport, figures: dict[str, bytes]) -> str:
    """Build one page with embedded pictures."""
    title = html.escape(f"Genre benchmark: {report.dataset}")
    about = "".join(f"<p>{_inline(line)}</p>" for line in report.about())
    tables = "".join(f"<h2>{html.escape(table.title)}</h2>{_html_table(table)}" for table in report.tables())
    pictures = "".join(
        f'<figure><img alt="{html.escape(name)}" src="data:image/png;base64,{base64.b64encode(picture).decode()}">'
        "</figure>"
        for name, picture in figures.items()
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"</head><body><h1>{title}</h1>{about}{tables}<h2>Figures</h2>{pictures}</body></html>\n"
    )


def _html_table(table: Table) -> str:
    """Format a table; the first row is its heading."""
    lines = [
        "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row) + "</tr>"
        for tag, row in zip(["th"] + ["td"] * len(table.rows), table.rows, strict=False)
    ]
    return f"<table>{''.join(lines)}</table>"


def _inline(line: str) -> str:
    """Format a line of text, with text between double asterisks in bold."""
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html.escape(line))
