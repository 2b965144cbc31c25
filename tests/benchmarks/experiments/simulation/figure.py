"""Figure of the simulation by day: a line per policy, and a band for the interval over seeds."""

from collections.abc import Sequence
from pathlib import Path

from audio_engine.metrics.results import Result

PANELS = {  # measure: title
    "like_rate": "likes a recommended play",
    "new_share": "share of recommended plays that are of new tracks",
    "reached": "share of the new tracks out that have 100 plays",
    "gini": "Gini of the day's recommendations, all tracks out",
}


def draw_days(summaries: Sequence[Result], path: Path) -> None:
    """Draw the measures of each day.

    Parameters
    ----------
    summaries
        From `summarise`.
    path
        The file, ``.png`` or ``.svg``.
    """
    import matplotlib as mpl  # noqa: PLC0415  (an extra)
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(11, 7), layout="constrained")
    colours = mpl.color_sequences["tab10"]
    policies = list(dict.fromkeys(summary.method for summary in summaries))
    for axes, (measure, title) in zip(figure.subplots(2, 2).flat, PANELS.items(), strict=True):
        for policy, colour in zip(policies, colours, strict=False):
            of_policy = [row for row in summaries if (row.method, row.metric) == (policy, measure)]
            days = [row for row in of_policy if row.about["day"] and row.about["over"] is None]
            when = [row.about["day"] for row in days]
            axes.plot(when, [row.value for row in days], color=colour, label=policy)
            bands = [(row.low, row.high) if row.low is not None else (row.value, row.value) for row in days]
            axes.fill_between(when, *zip(*bands, strict=True), color=colour, alpha=0.2, linewidth=0)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("day")
    figure.axes[0].legend(fontsize=8)
    figure.suptitle("A simulation over the simulated world; bands: 95 % over seeds", fontsize=11)
    figure.savefig(path, dpi=120)
