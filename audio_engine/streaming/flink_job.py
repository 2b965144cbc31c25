"""The job on Apache Flink: fills in `track_values.sql`, which lies beside this file, and runs it.

It runs in an environment of its own and imports nothing of ours, since apache-flink needs an older NumPy and Arrow::

    python3 -m venv flink && flink/bin/pip install 'apache-flink>=2.1' 'setuptools<81'
    flink/bin/python audio_engine/streaming/flink_job.py SOURCE SINK --checkpoints DIR

Needs Java 17. On a cluster: ``flink run --python flink_job.py …``, or the statements in Flink's SQL client.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from string import Template

FOR_EVER = "36500 d"  # how long the counts of a track stay; 0 would mean that of the ids


def statements(sql: str) -> Iterator[str]:
    """Cut a file of SQL, in which no string holds ``--`` or ``;``, into its statements."""
    without_comments = re.sub(r"--.*", "", sql)
    yield from (statement.strip() for statement in without_comments.split(";") if statement.strip())


def run(arguments: argparse.Namespace) -> None:
    """Run the job until it ends: at once with its input, or with ``--every`` never."""
    from pyflink.table import EnvironmentSettings, TableEnvironment  # noqa: PLC0415  (of its own environment)

    text = Path(__file__).with_name("track_values.sql").read_text()
    sql = Template(text).substitute(
        source=Path(arguments.source).resolve().as_uri(),
        sink=Path(arguments.sink).resolve().as_uri(),
        checkpoints=Path(arguments.checkpoints).resolve().as_uri(),
        checkpoint_interval=f"{arguments.checkpoint_s} s",
        watermark_hours=arguments.watermark,
        half_life_days=f"CAST({arguments.half_life!r} AS DOUBLE)",
        anchor_day=f"CAST({arguments.anchor_day!r} AS DOUBLE)",
        for_ever=FOR_EVER,
        monitor=f", 'source.monitor-interval' = '{arguments.every} s'" if arguments.every else "",
    )
    table = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    if arguments.resume:
        table.get_config().set("execution.state-recovery.path", Path(arguments.resume).resolve().as_uri())
    for statement in statements(sql):
        if setting := re.fullmatch(r"SET '(.+)' = '(.+)'", statement):
            table.get_config().set(*setting.groups())
        else:
            result = table.execute_sql(statement)
            if statement.startswith("INSERT"):
                result.wait()


def main() -> None:
    """Read the options, and run."""
    parser = argparse.ArgumentParser(description="Count a stream of plays and events by track, with Apache Flink.")
    parser.add_argument("source", help="a folder of JSON lines")
    parser.add_argument("sink", help="a folder for the changes of the values, in Debezium's JSON")
    parser.add_argument("--checkpoints", required=True, help="a folder for Flink's checkpoints")
    parser.add_argument("--resume", help="a checkpoint to go on from, the newest DIR/JOB/chk-N")
    parser.add_argument("--checkpoint-s", type=int, default=60, help="seconds between checkpoints")
    parser.add_argument("--watermark", type=int, default=24, help="hours for which event ids are remembered")
    parser.add_argument("--half-life", type=float, default=7.0, help="days after which a play counts half")
    parser.add_argument("--anchor-day", type=float, default=0.0, help="the day that heats refer to, such as today's")
    parser.add_argument("--every", type=int, help="seconds between looks for new files; else only what is there")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
