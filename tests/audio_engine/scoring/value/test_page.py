"""The page of values, looked at in real Chromium."""

from pathlib import Path

import polars as pl
import pytest

from audio_engine.errors import UnknownTrackError
from audio_engine.scoring.value.page import value_page
from audio_engine.scoring.value.policy import Policy, Rule
from audio_engine.scoring.value.value_table import ValueInputs, value_tracks
from tests.audio_engine.scoring.value.logs import write_random_world
from tests.service.browser import chromium, visiting

pytest.importorskip("duckdb", reason="duckdb is not installed: pip install '.[metrics]'")
pytest.importorskip("plotly", reason="plotly is not installed: pip install '.[page]'")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    write_random_world(folder := tmp_path_factory.mktemp("world"))
    inputs = ValueInputs(
        plays=folder / "plays.parquet", tracks=folder / "tracks.parquet", events=folder / "events.parquet"
    )
    rule = Rule(name="<b>house</b>", column="label", values=("small",), weight=0.5)
    table = value_tracks(inputs, policy=Policy(weights={"heat": 1.0, "quality": 0.5}, rules=(rule,)))
    table.write_parquet(folder / "value.parquet")
    return folder


def test_the_page_draws_radar_parts_and_history_and_asks_nobody(world: Path, tmp_path: Path) -> None:
    text = value_page(
        world / "value.parquet", world / "plays.parquet", track_ids=["t12", "t00"], titles=world / "tracks.parquet"
    )
    (tmp_path / "page.html").write_text(text, "utf-8")
    row = pl.read_parquet(world / "value.parquet").row(by_predicate=pl.col("track") == "t12", named=True)
    with chromium() as browser, visiting(browser, (tmp_path / "page.html").as_uri()) as page:
        page.wait_for_selector("section:nth-of-type(2) .history .plot-container")
        assert page.locator("h2").all_inner_texts() == ["Title 12", "<img src=x onerror=alert(1)>"]
        assert page.locator("main img").count() == 0
        first = page.locator("section").nth(0)
        assert f"place {row['rank']} of 40" in first.locator(".where").inner_text()
        words = " ".join(first.locator(".radar text").all_text_contents())
        assert all(word in words for word in ("heat", "pay drive", "circle index", "soaring", "freshness"))
        assert first.locator(".radar .scatterlayer path.point").count() == 9  # eight, and the first again
        assert {"heat", "quality"} <= set(first.locator(".parts .yaxislayer-above text").all_text_contents())
        plays = page.evaluate("document.querySelector('.history .js-plotly-plot').data[0].y")
        assert sum(_decoded(plays)) == pl.read_parquet(world / "plays.parquet").filter(pl.col("track") == "t12").height
        box, frame = first.locator(".radar svg.main-svg").first.bounding_box(), first.locator(".radar").bounding_box()
        assert box["x"] >= frame["x"] - 1
        assert box["x"] + box["width"] <= frame["x"] + frame["width"] + 1  # not cut off


def _decoded(values: object) -> list[float]:
    """Take an array as plotly.js holds it: a list, or a typed array that Playwright hands over by place."""
    return [float(value) for value in (values.values() if isinstance(values, dict) else values)]  # type: ignore[union-attr,attr-defined]


def test_unknown_tracks_and_other_tables_are_refused(world: Path) -> None:
    with pytest.raises(UnknownTrackError, match=r"track must be one of value\.parquet, got 'nobody'"):
        value_page(world / "value.parquet", world / "plays.parquet", track_ids=["nobody"])
    with pytest.raises(ValueError, match=r'tracks\.parquet must be what "score value" wrote'):
        value_page(world / "tracks.parquet", world / "plays.parquet")
    with pytest.raises(ValueError, match=r"users\.parquet must have a column 'track', got user, circle"):
        value_page(world / "value.parquet", world / "plays.parquet", titles=world / "users.parquet")


def test_the_history_ends_at_the_day_that_is_named(world: Path) -> None:
    early = value_page(world / "value.parquet", world / "plays.parquet", track_ids=["t12"], at_day=20.0)
    late = value_page(world / "value.parquet", world / "plays.parquet", track_ids=["t12"])
    assert len(early) < len(late)
