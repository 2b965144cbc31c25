"""Tiers: by activity, by named filters, and by rules of one's own."""

from pathlib import Path

import polars as pl
import pytest

from audio_engine.users.tier_rules import Quantile, read_rules
from audio_engine.users.tiers import KnownUsers, activity_tiers, vertical_tiers, with_assets

ACTIVITY = pl.DataFrame(
    [
        ("gone", 0.0, 50.0, 0, 0, 90),
        ("new", 95.0, 99.0, 4, 30, 9),
        ("busy", 0.0, 100.0, 20, 200, 40),
        ("usual", 0.0, 99.0, 8, 40, 12),
        ("rare", 0.0, 90.0, 2, 4, 3),
        ("no likes", 0.0, 100.0, 20, 300, 0),
    ],
    schema=["user", "first_day", "last_day", "active_days", "plays", "assets"],
    orient="row",
)
STATED = """
[activity]
core_active_days = 5
core_plays = 20
core_assets = 10
"""


def rules_of(folder: Path, text: str) -> Path:
    file = folder / "rules.toml"
    file.write_text(text, encoding="utf-8")
    return file


def tiers_of(activity: pl.DataFrame) -> dict[str, str]:
    return dict(activity.select("user", "tier").iter_rows())


def test_stated_thresholds_put_each_user_where_they_belong(tmp_path: Path) -> None:
    rules = read_rules(rules_of(tmp_path, STATED))
    found, thresholds = activity_tiers(ACTIVITY, rules.activity, today=100.0, everyone=pl.Series(["never", "busy"]))
    assert tiers_of(found) == {
        "never": "not seen",
        "gone": "not seen",
        "new": "new",
        "busy": "core active",
        "usual": "core active",
        "rare": "low asset",
        "no likes": "low asset",
    }
    assert thresholds["core_plays"] == 20
    assert found.filter(user="never")["recency_days"][0] is None
    assert found.filter(user="rare")["recency_days"][0] == 10


def test_quantiles_are_learned_from_those_who_are_seen_and_not_new() -> None:
    rules = read_rules()
    assert rules.activity.core_plays == Quantile(quantile=0.5)
    _, thresholds = activity_tiers(ACTIVITY, rules.activity, today=100.0)
    seen = ACTIVITY.filter(~pl.col("user").is_in(["gone", "new"]))
    assert thresholds["core_plays"] == seen["plays"].quantile(0.5, "nearest")
    nobody, learned = activity_tiers(ACTIVITY.clear(), rules.activity, today=100.0)
    assert (nobody.height, learned["core_plays"]) == (0, 0)


def test_things_that_users_have_count_as_assets(tmp_path: Path) -> None:
    pl.DataFrame({"user": ["rare", "rare", "stranger"], "kind": "purchase"}).write_csv(tmp_path / "events.csv")
    found = with_assets(ACTIVITY, tmp_path / "events.csv")
    assert found["assets"].to_list() == [90, 9, 40, 12, 5, 0]
    with pytest.raises(ValueError, match=r"events\.csv must have a column 'user', got a"):
        pl.DataFrame({"a": [1]}).write_csv(tmp_path / "events.csv")
        with_assets(ACTIVITY, tmp_path / "events.csv")


FILTERS = """
[[vertical]]
name = "young lovers of jazz"
where = [
  { dimension = "genre", value = "Jazz", preference_from = 0.3, share_from = 0.2 },
  { attribute = "age_band", is = [0, 1] },
  { tier = ["core active", "new"] },
]
[[vertical]]
name = "scouts"
where = [{ persona = "explorer", stars_from = 4 }]
"""


def test_a_vertical_tier_holds_who_meets_all_its_conditions(tmp_path: Path) -> None:
    rules = read_rules(rules_of(tmp_path, FILTERS))
    names = ["busy", "usual", "new", "rare"]
    profiles = pl.DataFrame({"user": [*names, "busy"], "dimension": "genre", "value": [*["Jazz"] * 4, "Rock"]})
    profiles = profiles.with_columns(
        preference=pl.Series([0.9, 0.2, 0.5, 0.9, 0.1]), confidence=0.5, share=pl.Series([0.5, 0.5, 0.3, 0.9, 0.1])
    )
    tiers, _ = activity_tiers(ACTIVITY, read_rules(rules_of(tmp_path, STATED)).activity, today=100.0)
    known = KnownUsers(
        tiers=tiers,
        personas=pl.DataFrame({"user": names, "explorer_stars": [5, 4, None, 3]}),
        profiles=profiles,
        users=pl.DataFrame({"user": names, "age_band": [1, 0, 2, 0]}),
    )
    found = vertical_tiers(rules, known)
    assert found.rows() == [("busy", "young lovers of jazz"), ("busy", "scouts"), ("usual", "scouts")]
    told = dict(rules.rows())
    assert told["scouts"] == "explorer has 4 stars or more"
    assert told["young lovers of jazz"].startswith("genre Jazz: preference ≥ 0.3, share ≥ 0.2; age_band is 0 or 1")
    without = KnownUsers(tiers=tiers, personas=known.personas, profiles=profiles, users=None)
    with pytest.raises(ValueError, match=r"users must be a table with a column 'age_band' .*--users FILE"):
        vertical_tiers(rules, without)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("activity = {", "must be TOML"),
        ("[activities]", "must have the tables activity and vertical, got activities"),
        ("[activity]\nnew_day = 3", "got new_day"),
        ("[activity]\nnew_days = -3", "new_days must be days above 0, got -3"),
        ('[activity]\nnew_days = "ten"', "new_days must be a number or"),
        ("[activity]\nnew_days = { quantile = 0.5 }", "new_days must be days above 0, got quantile 0.5"),
        ("[activity]\ncore_plays = { quantile = 5 }", "quantile must be between 0 and 1, got 5"),
        ('[[vertical]]\nname = "a"\nwhere = [{ tier = "cores" }]', "tier must be one of .* got 'cores'"),
        ('[[vertical]]\nname = "a"\nwhere = [{ persona = "nice" }]', "persona must be one of"),
        ('[[vertical]]\nname = "a"\nwhere = [{ stars_from = 3 }]', "must have one of tier, persona"),
        ("vertical = 3", "must be laid out as users tiers --show-rules prints them"),
        ('[activity]\ncore_plays = { quantile = "half" }', "must be laid out as"),
        ('[[vertical]]\nname = "a"', "vertical tier must have a name and where"),
    ],
)
def test_rules_that_cannot_be_are_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_rules(rules_of(tmp_path, text))
