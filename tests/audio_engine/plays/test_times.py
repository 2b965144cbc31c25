"""Times and numbers that a log writes as text are read right, or refused by name."""

from pathlib import Path

import polars as pl
import pytest

from audio_engine.plays.formats import scan_plays
from audio_engine.plays.validation import count_plays, validate_plays
from tests.audio_engine.plays.test_scanning import log

AT = 1_700_000_000 / 86_400  # 2023-11-14 22:13:20 UTC


@pytest.mark.parametrize(
    "time",
    [
        "1700000000",
        "1.7e9",
        "2023-11-14 22:13:20",
        "2023-11-14T22:13:20Z",
        "2023-11-14T22:13:20.000Z",
        "2023-11-14 22:13:20 UTC",
        "2023-11-14T23:13:20+01:00",
        "2023-11-14 17:13:20-0500",
        "2023/11/14 22:13:20",
        "14 Nov 2023 22:13:20",
        "14 November 2023, 22:13:20",
        "14-NOV-2023 22:13:20",
        "Nov 14, 2023 10:13:20 PM",
        "Tue, 14 Nov 2023 22:13:20 GMT",
        "11/14/2023 10:13:20 PM",
        "14/11/2023 22:13:20",
        "14.11.2023 22:13:20",
        " 2023-11-14 22:13:20 ",
    ],
)
def test_a_time_is_read_as_people_and_programs_write_it(time: str) -> None:
    assert log(user=["u"], track=["a"], timestamp=[time]).collect()["day"].item() == pytest.approx(AT, abs=1e-9)


def test_one_column_may_mix_ways_and_lack_some() -> None:
    times = ["1700000000", "14 Nov 2023 22:13", "2023-11-14", "", None, "soon", "2023-02-30", "2023-11-14 25:00"]
    plays = log(user=["u"] * 8, track=["a"] * 8, timestamp=times)
    assert plays.collect()["day"].to_list()[:3] == pytest.approx([AT, AT - 20 / 86_400, 19_675])
    counts = count_plays(validate_plays(plays, None))
    assert (counts.rows, counts.no_time, counts.left_out) == (8, 5, 5)


@pytest.mark.parametrize(("noon", "hour"), [("12:30 AM", 0.5), ("12:30 PM", 12.5), ("1:30 pm", 13.5)])
def test_noon_and_midnight_are_told_apart(noon: str, hour: float) -> None:
    day = log(user=["u"], track=["a"], timestamp=[f"01/31/1970 {noon}"]).collect()["day"].item()
    assert day == pytest.approx(30 + hour / 24)


def test_day_and_month_are_told_apart_by_the_whole_column() -> None:
    for times in (["03/04/2023", "13/04/2023"], ["04/03/2023", "04/13/2023"]):
        assert log(user=["u"] * 2, track=["a"] * 2, timestamp=times).collect()["day"].to_list() == [19_450, 19_460]


@pytest.mark.parametrize(
    ("times", "example"),
    [
        (["03/04/2023 10:00", "05/06/2023 10:00"], "03/04/2023 10:00"),
        (["31/01/2023", "01/31/2023"], "31/01/2023' and others in the other order"),
        (["2023-11-14 22:13 EST", ""], "2023-11-14 22:13 EST"),
        (["20231114", "20231231"], "20231114"),
        (["soon", "later"], "soon"),
    ],
)
def test_times_that_are_not_clear_are_refused_by_file_column_and_value(
    tmp_path: Path, times: list[str], example: str
) -> None:
    pl.DataFrame({"user": ["u"] * 2, "track": ["a"] * 2, "timestamp": times}).write_csv(tmp_path / "plays.csv")
    with pytest.raises(ValueError, match=rf"column 'timestamp' of plays\.csv must .*, got '{example}"):
        scan_plays(tmp_path / "plays.csv")


def test_dates_written_as_whole_numbers_are_not_taken_for_seconds() -> None:
    with pytest.raises(ValueError, match="column 'timestamp' of plays must hold times, got '20231114'"):
        log(user=["u"], track=["a"], timestamp=[20_231_114])
    assert log(user=["u"], track=["a"], timestamp=[20_231_199]).collect()["day"].item() == pytest.approx(
        234.157, abs=1e-3
    )


def test_a_day_may_be_a_date() -> None:
    for days in ([pl.Series(["1970-01-03"])], [pl.Series(["1970-01-03"]).str.to_date()]):
        assert log(user=["u"], track=["a"], day=days[0]).collect()["day"].to_list() == [2.0]


def test_a_number_may_be_written_with_a_comma_but_not_with_one_that_may_part_thousands() -> None:
    plays = log(user=["u"] * 6, track=["a"] * 6, completion=["0,5", "0,125", "1", "1,234", "much", None])
    assert plays.collect()["completion"].to_list()[:3] == [0.5, 0.125, 1.0]
    assert count_plays(validate_plays(plays, None)).unreadable_number == 2


def test_a_word_far_down_a_column_of_numbers_is_one_row_left_out(tmp_path: Path) -> None:
    (tmp_path / "plays.csv").write_text("user,track,day,completion\n" + "u,a,1,0.5\n" * 200 + "u,a,1,oops\nu,a,x,1\n")
    counts = count_plays(validate_plays(scan_plays(tmp_path / "plays.csv"), None))
    assert (counts.rows, counts.unreadable_number, counts.no_time, counts.left_out) == (202, 1, 1, 2)


def test_columns_of_no_numbers_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="column 'completion' of plays must hold numbers, got 'most'"):
        log(user=["u"], track=["a"], completion=["most"])
    with pytest.raises(ValueError, match="column 'played_s' of plays must hold numbers, got Boolean"):
        log(user=["u"], track=["a"], played_s=[True])
