"""How fast ``audio-engine stream run`` counts a log in Spark's local mode, and whether its memory grows with it.

Prints a Markdown table. The log is simulated listening with late records, duplicates and shuffled files
(`tests.streamed_world`); the CPU seconds are those of Python and of Spark's JVM together, from the start of the command
to its end, and tell on a shared machine what the wall clock does not.

    python -m tests.benchmarks.streaming --world ../shared/world2 --copies 1 --copies 10
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from math import ceil
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from audio_engine.scoring.heat import cooled_to
from audio_engine.scoring.time_decay import decayed_plays
from audio_engine.streaming.sink import read_heats
from tests.streamed_world import delivered, world_log, write_stream

ROWS_A_FILE = 50_000
TICKS_A_S = os.sysconf("SC_CLK_TCK")
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20
SAMPLE_S = 0.5


def main(
    world: Annotated[Path, typer.Option()],
    copies: Annotated[list[float], typer.Option(help="How many times the log, or which part of it.")] = [1, 10],  # noqa: B006
    late: Annotated[list[str], typer.Option()] = ["keep"],  # noqa: B006
    master: str = "local[2]",
    batch_mb: float = 8.0,
) -> None:
    """Measure."""
    print("| log | late | records | batches | wall s | CPU s | records a CPU s | records a s, after the first batch | "
          "peak MB | MB half way | load | greatest relative error |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for n_copies in copies:
        log = world_log(world, n_copies=ceil(n_copies))
        log = log.head(round(log.height * n_copies / ceil(n_copies)))
        records = delivered(log)
        for option in late:
            with tempfile.TemporaryDirectory() as folder:
                write_stream(records, Path(folder) / "in", n_files=-(-records.height // ROWS_A_FILE))
                asked = [*("--late", option), *("--master", master), *("--batch-mb", str(batch_mb)), "--json"]
                print(_measure(log, Path(folder), asked, name=f"{n_copies:g} × | {option}"), flush=True)


def _measure(log: pl.DataFrame, folder: Path, options: list[str], *, name: str) -> str:
    """Run the command once, and lay out a row of the table."""
    command = [sys.executable, "-m", "audio_engine.cli.main", "stream", "run", str(folder / "in"), str(folder / "sink")]
    begun, samples = time.monotonic(), []
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            samples.append(_used(process.pid))
            time.sleep(SAMPLE_S)
        assert process.stdout is not None
        reports = [json.loads(line) for line in process.stdout]
    wall_s = time.monotonic() - begun
    cpu_s, peak = max(cpu for cpu, _ in samples), max(memory for _, memory in samples)
    n_records = sum(report["records"] for report in reports)
    later_s = sum(report["seconds"] for report in reports[1:])
    later = sum(report["records"] for report in reports[1:]) / later_s if later_s else float("nan")
    return (
        f"| {name} | {n_records} | {len(reports)} | {wall_s:.0f} | {cpu_s:.0f} | {n_records / cpu_s:.0f} "
        f"| {later:.0f} | "
        f"{peak:.0f} | {samples[len(samples) // 2][1]:.0f} | {os.getloadavg()[0]:.1f} | {_error(log, folder):.1e} |"
    )


def _used(pid: int) -> tuple[float, float]:
    """Say how many CPU seconds a process and its children have taken, and how many megabytes they hold."""
    cpu = memory = 0.0
    for each in (pid, *_children(pid)):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        cpu += (int(fields[11]) + int(fields[12])) / TICKS_A_S
        memory += int(fields[21]) * PAGE_MB
    return cpu, memory


def _children(pid: int) -> list[int]:
    """List the processes below one."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [int(each) for child in found for each in (child, *_children(int(child)))]


def _error(log: pl.DataFrame, folder: Path) -> float:
    """Compare with the batch: the greatest relative difference of decayed plays; infinite where a count differs."""
    heats = read_heats(folder / "sink").heats
    at_day = float(log["day"].max())  # type: ignore[arg-type]
    found = cooled_to(heats.lazy(), at_day).collect()
    batch = decayed_plays(log.lazy().filter(pl.col("kind").is_null()), at_day=at_day).sort("track")
    if not found["plays"].equals(batch["plays"]):
        return float("inf")
    return float((found["decayed_plays"] / batch["decayed_plays"] - 1).abs().max())  # type: ignore[arg-type]


if __name__ == "__main__":
    typer.run(main)
