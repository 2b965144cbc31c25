"""A page of what tracks are worth: one HTML file, drawn by plotly.js, which it carries.

For each track: its dimensions as a radar (each as the share of the tracks that it is above), where its score comes
from, and its history week by week. Titles are text on the page and in the figures, whatever is in them.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from audio_engine.errors import UnknownTrackError
from audio_engine.plays.table_files import id_text, reading, scan_table
from audio_engine.plays.validation import usable_plays
from audio_engine.scoring.like_rates import BetaPrior, smoothed_rate
from audio_engine.scoring.time_decay import HALF_LIFE_DAYS, cooled
from audio_engine.scoring.value.policy import DIMENSIONS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

WEEK = 7  # days
WORDS = {
    "heat": "heat",
    "quality": "quality",
    "pay": "pay drive",
    "circle": "circle index",
    "pull_new": "pull of new users",
    "pull_returning": "pull of returning users",
    "soaring": "soaring",
    "freshness": "freshness",
}
INK, FILL, SECOND = "#1f5fa8", "rgba(31, 95, 168, 0.25)", "#b3541e"
CONFIG = {"displaylogo": False, "responsive": True}
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1100px; padding: 0 1rem; color: #222 }
section { border-top: 1px solid #ccc; padding: 1rem 0 } h2 { margin: 0 } .where { color: #555; margin: 0 0 1rem }
.figures { display: grid; grid-template-columns: 1fr 1fr } .figures > div { min-width: 0; overflow: hidden }
.figures > .history { grid-column: 1 / -1 } @media (max-width: 800px) { .figures { display: block } }
table { border-collapse: collapse; font-size: 14px } th, td { padding: 2px 12px 2px 0; text-align: right }
th:first-child { text-align: left }
"""


def value_page(  # noqa: PLR0913  (what the command asks)
    value: Path,
    plays: Path,
    *,
    track_ids: Sequence[str] | None = None,
    n_tracks: int = 10,
    titles: Path | None = None,
    at_day: float | None = None,
) -> str:
    """Draw tracks on a page.

    Parameters
    ----------
    value
        What `audio_engine.scoring.value.value_table.value_tracks` returned, in a file.
    plays
        The log, for the history.
    track_ids
        Which tracks; None: the first `n_tracks`.
    titles
        A table with ``track`` and ``title``, and maybe ``artist``.
    at_day
        Plays after this day are left out; None: none are.

    Returns
    -------
    html
        A document that requests nothing.

    Raises
    ------
    UnknownTrackError
        When a track is not in the table.
    ValueError
        When a table lacks a column.
    """
    table = _read_value(value)
    chosen = list(dict.fromkeys(track_ids or table["track"].head(n_tracks).to_list()))
    for track_id in chosen:
        if track_id not in table["track"]:
            raise UnknownTrackError(f"track must be one of {value.name}, got {track_id!r}")
    above = table.select("track", *(_share_below(name) for name in DIMENSIONS))
    history = _history(plays, chosen, at_day=at_day)
    names = _titles(titles, chosen)
    sections = [
        _section(
            names[track_id],
            table.row(by_predicate=pl.col("track") == track_id, named=True),
            above.row(by_predicate=pl.col("track") == track_id, named=True),
            history.filter(pl.col("track") == track_id),
            n_tracks=len(table),
        )
        for track_id in chosen
    ]
    return _document(sections)


def _read_value(path: Path) -> pl.DataFrame:
    """Read the table of values, and see that it is one."""
    with reading(path):
        table = scan_table(path).collect()
    for name in ("track", "rank", "score", "given_by", *DIMENSIONS):
        if name not in table.columns:
            raise ValueError(f'{path.name} must be what "score value" wrote, with a column {name!r}')
    return table


def _share_below(name: str) -> pl.Expr:
    """Compute the share of the other tracks that each is above, a tie counting half; all alike: a half."""
    others = (pl.len() - 1).clip(lower_bound=1)
    return pl.when(pl.len() > 1).then((pl.col(name).rank("average") - 1) / others).otherwise(0.5).alias(name)


def _history(plays: Path, track_ids: Sequence[str], *, at_day: float | None) -> pl.DataFrame:
    """Count the plays and likes of some tracks week by week until ``end``, from each one's first week to the last."""
    week = (pl.col("day") / WEEK).floor().cast(pl.Int64)
    log = usable_plays(plays).filter(pl.col("day") <= (np.inf if at_day is None else at_day))
    last = log.select(pl.col("day").max()).collect(engine="streaming").item() or 0.0
    counts = (
        log.filter(pl.col("track").is_in(list(track_ids)))
        .group_by("track", week.alias("week"))
        .agg(plays=pl.len().cast(pl.Int64), likes=(pl.col("action") == "like").sum().cast(pl.Int64))
        .collect(engine="streaming")
    )
    first = counts.group_by("track").agg(pl.col("week").min())
    weeks = first.with_columns(week=pl.int_ranges("week", int(last // WEEK) + 1)).explode("week")
    found = weeks.join(counts, on=["track", "week"], how="left").fill_null(0).sort("track", "week")
    return found.with_columns(end=pl.min_horizontal((pl.col("week") + 1.0) * WEEK, pl.lit(last)))


def _titles(path: Path | None, track_ids: Sequence[str]) -> dict[str, str]:
    """Find what to call tracks: title and artist where a table has them, else the id."""
    names = {track_id: track_id for track_id in track_ids}
    if path is None:
        return names
    table = scan_table(path)
    schema = table.collect_schema()
    for name in ("track", "title"):
        if name not in schema:
            raise ValueError(f"{path.name} must have a column {name!r}, got {', '.join(schema.names())}")
    artist = pl.col("artist") if "artist" in schema else pl.lit("")
    named = table.select(id_text("track", schema["track"]), pl.col("title").fill_null(""), artist=artist.fill_null(""))
    for track_id, title, by in named.filter(pl.col("track").is_in(list(track_ids))).collect().iter_rows():
        names[track_id] = f"{title or track_id} ({by})" if by else title or track_id
    return names


def _section(title: str, row: dict[str, Any], above: dict[str, float], history: pl.DataFrame, *, n_tracks: int) -> str:
    """Lay out one track."""
    figures = "".join(
        f"<div class={kind}>{figure.to_html(full_html=False, include_plotlyjs=False, config=CONFIG)}</div>"
        for kind, figure in (("radar", _radar(above)), ("parts", _parts(row)), ("history", _weeks(history)))
    )
    where = f"place {row['rank']} of {n_tracks}, score {row['score']:.3f}, by {escape(row['given_by'])}"
    return (
        f"<section><h2>{escape(title)}</h2><p class=where>{where}</p><div class=figures>{figures}</div>"
        f"{_numbers(row, above)}</section>"
    )


def _numbers(row: dict[str, Any], above: dict[str, float]) -> str:
    """Write the dimensions as a table, for reading rather than looking."""
    lines = [
        f"<tr><th scope=row>{WORDS[name]}</th><td>{row[name]:.4g}</td>"
        f"<td>{row[f'{name}_low']:.4g} to {row[f'{name}_high']:.4g}</td>"
        f"<td>{row[f'{name}_numerator']:.4g} / {row[f'{name}_denominator']:.4g}</td><td>{above[name]:.0%}</td></tr>"
        for name in DIMENSIONS
    ]
    head = "<tr><th scope=col>dimension</th><th scope=col>value</th><th scope=col>95 %</th>"
    head += "<th scope=col>counted / over</th><th scope=col>above, of the tracks</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(lines)}</tbody></table>"


def _radar(above: dict[str, float]) -> "Figure":
    """Draw the dimensions around a circle, each as the share of the tracks that it is above."""
    from plotly import graph_objects as go  # noqa: PLC0415  (an extra)

    shares = [100 * above[name] for name in DIMENSIONS]
    labels = [WORDS[name] for name in DIMENSIONS]
    trace = go.Scatterpolar(
        r=[*shares, shares[0]], theta=[*labels, labels[0]], fill="toself", line={"color": INK}, fillcolor=FILL,
        hovertemplate="%{theta}: above %{r:.0f} % of the tracks<extra></extra>",
    )  # fmt: skip
    figure = go.Figure(trace)
    figure.update_layout(
        title="dimensions, % of the tracks below", height=420, polar={"radialaxis": {"range": [0, 100]}}
    )
    return figure


def _parts(row: dict[str, Any]) -> "Figure":
    """Draw what the score is the sum of."""
    from plotly import graph_objects as go  # noqa: PLC0415

    parts = {WORDS[name.removeprefix("part_")]: row[name] for name in row if name.startswith("part_")}
    parts |= {f"rule: {escape(name.removeprefix('rule_'))}": row[name] for name in row if name.startswith("rule_")}
    used = {name: part for name, part in parts.items() if part}
    figure = go.Figure(go.Bar(x=list(used.values()), y=list(used), orientation="h", marker={"color": INK}))
    figure.update_layout(title="where the score comes from", height=420, yaxis={"autorange": "reversed"})
    return figure


def _weeks(history: pl.DataFrame) -> "Figure":
    """Draw plays a week, the plays left at each week's end after cooling, and the like rate with its interval."""
    from plotly import graph_objects as go  # noqa: PLC0415
    from plotly.subplots import make_subplots  # noqa: PLC0415

    days = history["end"].to_list()
    rate = _like_rate(history)
    figure = make_subplots(specs=[[{"secondary_y": True}]])
    starts = (history["week"] * WEEK).to_list()
    figure.add_trace(
        go.Bar(
            x=starts,
            y=history["plays"].to_list(),
            offset=0,
            width=WEEK - 1,
            name="plays a week",
            marker={"color": FILL},
        )
    )
    figure.add_trace(go.Scatter(x=days, y=_heat(history), name="heat", line={"color": INK}))
    figure.add_trace(go.Scatter(x=days, y=rate.tolist(), name="like rate", line={"color": SECOND}), secondary_y=True)
    figure.update_layout(title="history", height=420, legend={"orientation": "h", "x": 0.2, "y": 1.15})
    figure.update_xaxes(title="day")
    figure.update_yaxes(title="plays", rangemode="tozero")
    figure.update_yaxes(title="like rate", range=[0, 1], tickformat=".0%", showgrid=False, secondary_y=True)
    return figure


def _heat(history: pl.DataFrame) -> list[float]:
    """Cool the plays week by week, those of a week as if made at its end."""
    heat, found = 0.0, []
    elapsed = history["end"].diff().fill_null(0.0)
    for plays, days in zip(history["plays"], elapsed, strict=True):
        heat = float(cooled([heat], days, half_life_days=HALF_LIFE_DAYS)[0]) + plays
        found.append(heat)
    return found


def _like_rate(history: pl.DataFrame) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Smooth the like rate of each week towards that of the track, as if by ten plays more."""
    likes, plays = history["likes"].to_numpy(), history["plays"].to_numpy()
    mean = (likes.sum() + 1) / (plays.sum() + 2)
    return smoothed_rate(likes, plays, BetaPrior(alpha=10 * mean, beta=10 * (1 - mean)))


def _document(sections: Sequence[str]) -> str:
    """Put sections into one document with plotly.js."""
    from plotly.offline import get_plotlyjs  # noqa: PLC0415

    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>What tracks are worth</title>"
        f'<meta name=viewport content="width=device-width"><link rel=icon href="data:,"><style>{STYLE}</style>'
        f"<script>{get_plotlyjs()}</script></head><body><main><h1>What tracks are worth</h1>{''.join(sections)}"
        "</main></body></html>"
    )
