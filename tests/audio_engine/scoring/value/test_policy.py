from pathlib import Path

import pytest

from audio_engine.scoring.value.policy import EXAMPLE, Policy, read_policy

RULE = '[[rules]]\nname = "house"\ncolumn = "artist_key"\nvalues = ["A"]\n'


def test_the_example_says_what_holds_without_it(tmp_path: Path) -> None:
    (tmp_path / "empty.toml").write_text("")
    example, empty = read_policy(), read_policy(tmp_path / "empty.toml")
    assert empty == Policy()
    assert example.weights["quality"] > 0
    assert (example.signals, example.times, example.soaring) == (empty.signals, empty.times, empty.soaring)
    assert (example.places, example.circle_columns, example.rules) == (empty.places, empty.circle_columns, ())


def test_the_rules_in_the_example_s_comments_are_rules(tmp_path: Path) -> None:
    _, rules = EXAMPLE.read_text("utf-8").split("# [[rules]]", 1)
    text = "\n".join(line.removeprefix("# ").removeprefix("#") for line in f"# [[rules]]{rules}".splitlines())
    (tmp_path / "p.toml").write_text(text)
    rules_read = read_policy(tmp_path / "p.toml").rules
    assert [rule.name for rule in rules_read] == ["house artists", "one label", "paid content", "priority genre"]
    assert rules_read[2].values == ("true",)
    assert (rules_read[1].floor, rules_read[1].quota) == (0.0, 0.3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[weights]\nqality = 1", "weights must be of heat, quality, .*, got one of 'qality'"),
        ("[weights]\nquality = 'much'", "weights.quality must be a number, got 'much'"),
        ("[weights]\nquality = nan", "weights.quality must be a number, got nan"),
        ("[wieghts]\nquality = 1", "a policy must hold no other entries than weights, .*, got 'wieghts'"),
        ("weights = 3", r"weights must be a table headed \[weights\], got 3"),
        ("[signals]\nlikes = 1", "signals must hold no other entries than completion, like.*, got 'likes'"),
        ("[times]\nabsence = 0", "times.absence must be a number above 0, got 0"),
        ("[soaring]\ntop_share = 1.5", "soaring.top_share must be a number above 0 and below 1, got 1.5"),
        ("[soaring]\ndays = 1.5", "soaring.days must be a whole number above 0, got 1.5"),
        ("[list]\nplaces = 0", "list.places must be a whole number above 0, got 0"),
        ("[circles]\ncolumns = 'age'", "circles.columns must be values in brackets, got 'age'"),
        ("[[rules]]\nname = 'x'", "rule 1 must have an entry 'column', got name"),
        (RULE + "floor = 0.5\nquota = 0.2", "rule 'house': floor must be at most the quota 0.2, got 0.5"),
        (RULE + "quota = 2", "rule 'house': quota must be a number at least 0 and at most 1, got 2"),
        (RULE + "floors = 0.1", "rule 1 must hold no other entries than name, .*, got 'floors'"),
        (RULE + RULE, "rules must have a name each, got 'house' twice"),
        ("[weights", "must be TOML"),
    ],
)
def test_what_is_misspelt_or_impossible_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(ValueError, match=f"p.toml:? .*{message}"):
        read_policy(tmp_path / "p.toml")
