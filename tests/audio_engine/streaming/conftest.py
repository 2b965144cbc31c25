"""A small log for the streams, and what the batch makes of it."""

import shutil
import subprocess
from collections.abc import Iterator

import polars as pl
import pytest

from audio_engine.scoring.time_decay import decayed_plays
from tests.streamed_world import delivered, made_log

N_RECORDS = 3_000
LIGHT_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # starts sooner, which is most of what a test waits for


@pytest.fixture(scope="session")
def log() -> pl.DataFrame:
    """Plays and events, each once."""
    return made_log(N_RECORDS)


@pytest.fixture(scope="session")
def records(log: pl.DataFrame) -> pl.DataFrame:
    """The same as they are delivered: some late, some twice."""
    return delivered(log)


@pytest.fixture(scope="session")
def batch(log: pl.DataFrame) -> pl.DataFrame:
    """Decayed plays and counts of the log as of day 60, by track."""
    counted = log.group_by("track").agg(
        likes=(pl.col("action") == "like").sum().cast(pl.Int64),
        purchases=(pl.col("kind") == "purchase").sum().cast(pl.Int64),
    )
    plays = decayed_plays(log.lazy().filter(pl.col("kind").is_null()), at_day=60.0)
    return plays.join(counted, on="track").sort("track")


@pytest.fixture(scope="session")
def java() -> None:
    """Skip where there is no Java that runs."""
    if not shutil.which("java") or subprocess.run(["java", "-version"], capture_output=True, check=False).returncode:
        pytest.skip("Java is not installed: apt-get install default-jre-headless")


@pytest.fixture(scope="module")
def spark(java: None) -> Iterator[None]:
    """One session for all tests of this module, started by the first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", LIGHT_JAVA)
        yield
        from pyspark.sql import SparkSession  # noqa: PLC0415

        if (session := SparkSession.getActiveSession()) is not None:
            session.stop()
