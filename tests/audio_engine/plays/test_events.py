import logging
from pathlib import Path

import polars as pl
import pytest

from audio_engine.plays.events import EVENT_SCHEMA, usable_events


def test_events_are_read_from_any_table_and_bad_rows_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "events.csv").write_text(
        "user,track,timestamp,kind\n"
        "1,a,86400,Favorite\n"  # in another spelling
        "2,,172800,subscribe\n"  # of no track
        ",a,86400,purchase\n"
        "3,a,,purchase\n"
        "4,a,86400,clap\n"
    )
    with caplog.at_level(logging.WARNING):
        events = usable_events(tmp_path / "events.csv").collect()
    assert events.schema == EVENT_SCHEMA
    assert events.rows() == [("1", "a", 1.0, "favourite"), ("2", None, 2.0, "subscribe")]
    assert "5 events, 3 left out" in caplog.text


def test_a_log_without_a_kind_or_a_time_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"user": ["u"], "track": ["a"], "kind": ["share"]}).write_parquet(tmp_path / "e.parquet")
    with pytest.raises(ValueError, match="must have columns 'kind' and 'day' or 'timestamp', got user, track, kind"):
        usable_events(tmp_path / "e.parquet")
