"""The trade-off of consumption against value: plans at several weights of value, as a table and a figure."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from audio_engine.atomic_files import whole_file
from audio_engine.metrics.bootstrap import bootstrap_mean
from audio_engine.modules.pages import Pages
from audio_engine.modules.planning import Method, plan_modules
from audio_engine.modules.policy import ModulePolicy

ALPHAS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


def sweep_alpha(
    pages: Pages, policy: ModulePolicy, *, alphas: Sequence[float] = ALPHAS, method: Method = "auto", seed: int = 0
) -> pl.DataFrame:
    """Plan at several weights of value.

    Parameters
    ----------
    pages, policy
        As `plan_modules`; the weight of the policy is replaced.
    alphas
        Weights.
    method
        As `plan_modules`.
    seed
        Of the resamples of users.

    Returns
    -------
    sweep
        A row a weight: alpha; consumption and value (Σ w·C and Σ w·C·E, mean over users) with _low and _high, 95 %
        intervals over users.
    """
    rows = []
    for alpha in alphas:
        plan = plan_modules(pages, replace(policy, alpha=alpha), method=method).table()
        users = plan.group_by("user").agg(pl.col("consumption", "value").sum()).sort("user")
        row = {"alpha": float(alpha)}
        for name in ("consumption", "value"):
            found = bootstrap_mean(users[name].to_numpy(), seed=seed)
            row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        rows.append(row)
    return pl.DataFrame(rows)


def draw_sweep(sweep: pl.DataFrame, file: Path) -> None:
    """Draw value against consumption, a point a weight, with the intervals; needs matplotlib (extra "card")."""
    from matplotlib.figure import Figure  # noqa: PLC0415  (an extra, and slow to load)

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    x, y = sweep["consumption"], sweep["value"]
    reach = {
        name: [(sweep[name] - sweep[f"{name}_low"]).to_numpy(), (sweep[f"{name}_high"] - sweep[name]).to_numpy()]
        for name in ("consumption", "value")
    }
    axes.errorbar(x.to_numpy(), y.to_numpy(), xerr=reach["consumption"], yerr=reach["value"], fmt="o-", color="0.2")
    for row in sweep.iter_rows(named=True):
        axes.annotate(f"α {row['alpha']:g}", (row["consumption"], row["value"]), (6, 6), textcoords="offset points")
    axes.set_xlabel("consumption a page, Σ w·C")
    axes.set_ylabel("value a page, Σ w·C·E")
    with whole_file(file) as temporary:
        figure.savefig(temporary, format=file.suffix.lstrip(".") or "png", dpi=120)
