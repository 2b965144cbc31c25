"""The commands of ``modules`` on real files: what they print, what they write, and what they refuse."""

from pathlib import Path

import polars as pl
import pytest

from audio_engine.modules.policy import EXAMPLE, read_policy
from tests.command_line import Run

KINDS = ("songs", "playlists", "clips", "new")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Ten users who consume songs most, and among whom clips are worth most; user 0 had clips on top yesterday."""
    rows = [
        {"user": f"u{n}", "kind": kind, "consumption": 4.0 - place + n / 100, "value": place / 2, "yesterday": None}
        for n in range(10)
        for place, kind in enumerate(KINDS)
    ]
    rows[2]["yesterday"] = 1
    pl.DataFrame(rows, schema_overrides={"yesterday": pl.Int64}).write_parquet(tmp_path / "table.parquet")
    return tmp_path / "table.parquet"


def policy_file(folder: Path, text: str) -> Path:
    file = folder / "modules.toml"
    file.write_text(text, "utf-8")
    return file


def test_the_example_that_is_printed_is_a_policy(table: Path, run: Run, tmp_path: Path):
    file = policy_file(tmp_path, run("modules", "policy").out)
    assert read_policy(file) == read_policy(EXAMPLE)
    ran = run("modules", "plan", table, "--policy", file, "--out", tmp_path / "plan.parquet")
    assert ran.status == 0
    assert "10 users planned (exact)" in ran.err
    plan = pl.read_parquet(tmp_path / "plan.parquet")
    assert plan.group_by("user").agg(pl.col("kind").n_unique(), pl.len())["len"].to_list() == [4] * 10
    assert plan.filter((pl.col("kind") == "clips") & (pl.col("slot") <= 2))["user"].n_unique() >= 3


def test_a_plan_goes_into_the_check_of_a_log(table: Path, run: Run, tmp_path: Path):
    file = policy_file(tmp_path, "slots = [1.0, 0.5]\n")
    assert run("modules", "plan", table, "--policy", file, "--out", tmp_path / "plan.parquet").status == 0
    plan = pl.read_parquet(tmp_path / "plan.parquet")
    assert set(plan.filter(slot=1)["kind"]) == {"songs"}
    log = plan.select("user", "slot", "kind", propensity=pl.lit(1.0), consumed=pl.col("consumption"))
    log.write_csv(tmp_path / "log.csv")
    ran = run(
        "modules", "check", table, tmp_path / "log.csv", "--policy", file, "--plan", tmp_path / "plan.parquet", "--json"
    )
    (found,) = ran.objects
    assert found["ips"]["value"] == pytest.approx(found["model"]["value"])
    shown = run("modules", "check", table, tmp_path / "log.csv", "--policy", file, "--plan", tmp_path / "plan.parquet")
    assert "doubly robust" in shown.out


def test_more_weight_of_value_costs_consumption_and_is_drawn(table: Path, run: Run, tmp_path: Path):
    pytest.importorskip("matplotlib")
    file = policy_file(tmp_path, "slots = [1.0, 0.5]\n")
    png, out = tmp_path / "sweep.png", tmp_path / "sweep.parquet"
    ran = run("modules", "sweep", table, "--policy", file, "--out", out, "--figure", png, "--json")
    assert ran.status == 0
    swept = pl.read_parquet(out)
    assert swept["consumption"].is_sorted(descending=True)
    assert swept["value"].is_sorted()
    assert swept["value"][-1] > swept["value"][0]
    assert png.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("slots = [0.5, 1.0]\n", "slots must not rise from the top"),
        ("slots = [1.0]\nalfa = 1\n", "policy must have only alpha, max_changed, slots, got alfa"),
        ("alpha = 1\n", "slots must be a list of numbers, got None"),
        ("slots = 'a\n", "modules.toml must be TOML"),
        ("slots = [1.0]\n[[floor]]\nkind = 'clips'\n", "floor must have kind and users, got none of users"),
        ("slots = [1.0]\nmax_changed = 1.5\n", "max_changed must be a number of slots from 0, got 1.5"),
    ],
)
def test_a_policy_without_meaning_is_refused(table: Path, run: Run, tmp_path: Path, text: str, words: str):
    out = tmp_path / "plan.parquet"
    ran = run("modules", "plan", table, "--policy", policy_file(tmp_path, text), "--out", out)
    assert ran.status == 2
    assert words in ran.err
    assert not out.exists()


def test_floors_that_cannot_be_met_leave_no_plan(table: Path, run: Run, tmp_path: Path):
    file = policy_file(tmp_path, "slots = [1.0]\n[[floor]]\nkind = 'clips'\nusers = 11\n")
    ran = run("modules", "plan", table, "--policy", file, "--out", tmp_path / "plan.parquet")
    assert ran.status == 2
    assert "clips must be shown to 11 users, got 10" in ran.err
    assert not (tmp_path / "plan.parquet").exists()
