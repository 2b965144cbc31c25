"""Off-policy estimates: what a plan would have earned, from the log of a policy that drew pages at random.

A row of the log is one slot of one page. What is consumed in a slot is taken to depend on the user, the slot and the
kind in it, not on the other slots (the item-position model). A row counts by w = [the plan has this kind here] / p, p
the chance with which the logging policy put the kind there. Intervals resample users.

References
----------
D. G. Horvitz, D. J. Thompson, A generalization of sampling without replacement from a finite universe, JASA 1952: IPS.
A. Swaminathan, T. Joachims, The self-normalized estimator for counterfactual learning, NeurIPS 2015: SNIPS.
M. Dudík, J. Langford, L. Li, Doubly robust policy evaluation and learning, ICML 2011, eq. 2; the model is the table of
expected consumption that was planned by.
S. Li et al., Offline evaluation of ranking policies with click models, KDD 2018: the item-position model.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from audio_engine.metrics.bootstrap import Estimate, bootstrap_ratio
from audio_engine.modules.pages import Pages
from audio_engine.modules.policy import ModulePolicy
from audio_engine.plays.table_files import scan_table

COLUMNS = {"user": pl.String, "slot": pl.Int64, "kind": pl.String, "propensity": pl.Float64, "consumed": pl.Float64}


@dataclass(frozen=True, kw_only=True)
class Check:
    """Consumption a page, of the log and of the plan."""

    n_users: int
    n_pages: int
    logged: Estimate  # what the logging policy's pages had
    ips: Estimate
    snips: Estimate
    doubly_robust: Estimate
    model: Estimate  # what the table expects of the plan, without the log
    mean_weight: float  # near 1, unless the log never showed what the plan wants
    effective_rows: float  # (Σ w)² / Σ w²: how many rows the estimates rest on


def check_plan(plan: pl.DataFrame, log: pl.DataFrame, *, pages: Pages, policy: ModulePolicy, seed: int = 0) -> Check:
    """Estimate what a plan would have earned.

    Parameters
    ----------
    plan
        user, slot, kind: as `Plan.table`.
    log
        user, slot (from 1), kind, propensity (above 0, at most 1), consumed; page, if a user has several.
    pages, policy
        The table and slots, for the model of the doubly robust estimate.
    seed
        Of the resamples.

    Raises
    ------
    ValueError
        If a column is missing, a number has no meaning, or no user of the plan is in the log.
    """
    rows = _joined(plan, _checked(log), pages=pages, policy=policy)
    users = rows.group_by("user").agg(
        pages=pl.col("page").n_unique().cast(pl.Float64),
        rows=pl.len().cast(pl.Float64),
        logged=pl.col("consumed").sum(),
        ips=(pl.col("weight") * pl.col("consumed")).sum(),
        weight=pl.col("weight").sum(),
        model=pl.col("planned").sum(),
        doubly_robust=(pl.col("planned") + pl.col("weight") * (pl.col("consumed") - pl.col("expected"))).sum(),
    ).sort("user")  # fmt: skip
    each = {name: users[name].to_numpy() for name in users.columns[1:]}
    weight, n_slots = rows["weight"].to_numpy(), each["rows"].sum() / each["pages"].sum()
    per_page = {
        name: bootstrap_ratio(each[name], each["pages"], seed=seed)
        for name in ("logged", "ips", "doubly_robust", "model")
    }
    return Check(
        n_users=len(users),
        n_pages=int(each["pages"].sum()),
        snips=_times(bootstrap_ratio(each["ips"], each["weight"], seed=seed), n_slots),
        mean_weight=float(weight.mean()),
        effective_rows=float(weight.sum() ** 2 / max((weight**2).sum(), 1e-12)),
        **per_page,
    )


def read_log(file: Path) -> pl.DataFrame:
    """Read a log from a file."""
    return scan_table(file).collect()


def _checked(log: pl.DataFrame) -> pl.DataFrame:
    """Bring columns to their types, and refuse what has no meaning."""
    if missing := set(COLUMNS) - set(log.columns):
        raise ValueError(f"log must have {', '.join(COLUMNS)}, got no {', '.join(sorted(missing))}")
    page = pl.col("page") if "page" in log.columns else pl.lit(0).alias("page")
    try:
        log = log.select(*(pl.col(name).cast(dtype) for name, dtype in COLUMNS.items()), page).drop_nulls()
    except pl.exceptions.InvalidOperationError as error:
        raise ValueError(f"slot, propensity and consumed must be numbers, got {error}") from error
    if (bad := log.filter(~((pl.col("propensity") > 0) & (pl.col("propensity") <= 1)))).height:
        raise ValueError(f"propensity must be above 0 and at most 1, got {bad['propensity'][0]}")
    if (bad := log.filter(~pl.col("consumed").is_finite())).height:
        raise ValueError(f"consumed must be finite, got {bad['consumed'][0]}")
    return log


def _joined(plan: pl.DataFrame, log: pl.DataFrame, *, pages: Pages, policy: ModulePolicy) -> pl.DataFrame:
    """Put beside each row of the log its weight, and what the model expects of the logged and of the planned kind."""
    wanted = plan.select(pl.col("user").cast(pl.String), pl.col("slot").cast(pl.Int64), wanted=pl.col("kind"))
    rows = log.join(wanted, on=["user", "slot"], how="inner")
    if rows.is_empty():
        raise ValueError("log must have rows of users and slots of the plan, got none")
    model = _model(pages)
    for column, name in (("kind", "c_logged"), ("wanted", "c_planned")):
        rows = rows.join(
            model.rename({"kind": column, "c": name}), on=["user", column], how="left", maintain_order="left"
        )
    seen = pl.Series(np.append(policy.weights, 0.0)[np.clip(rows["slot"].to_numpy() - 1, 0, len(policy.slots))])
    return rows.with_columns(
        weight=(pl.col("kind") == pl.col("wanted")) / pl.col("propensity"),
        expected=pl.col("c_logged").fill_null(0.0) * seen,
        planned=pl.col("c_planned").fill_null(0.0) * seen,
    )


def _model(pages: Pages) -> pl.DataFrame:
    """Lay expected consumption out: user, kind, c."""
    user, kind = np.nonzero(~np.isnan(pages.consumption))
    names = {"user": [pages.users[row] for row in user], "kind": [pages.kinds[column] for column in kind]}
    return pl.DataFrame(names | {"c": pages.consumption[user, kind]})


def _times(estimate: Estimate, factor: float) -> Estimate:
    """Scale a figure and its interval."""
    return Estimate(value=estimate.value * factor, low=estimate.low * factor, high=estimate.high * factor)
