"""Benchmark how training grows with the catalogue and the log; Markdown, or JSON with ``--json``.

    python -m tests.benchmarks.training_scale --tracks N --users M --plays P [--part PART …]
      [--world DIR --audio DIR] [--json]

Three sizes are measured, a sixteenth, a quarter and the whole, each in a process of its own: the closed-form head on
twice as many pooled embeddings as there are tracks; one pass of the user tower, with the embedding of all users; and,
where it is asked for, the whole training (see `tests.benchmarks.whole_training`). The catalogue is enlarged from the
pooled embeddings of the warm tracks of a world (``../shared/world``), or from made ones, and its plays are made. Memory
is what the process holds by itself; pages of memory-mapped files, which the system may drop, are not counted. Threads:
``OMP_NUM_THREADS``. Files: ``TMPDIR``, 90 kB a track for the whole.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audio_engine.training.mel_cache import default_store
from metric_learning.checkpoint import load_checkpoint
from metric_learning.listening_head import fit_listening_head
from metric_learning.model_files import DEFAULT_MODEL_DIR
from metric_learning.play_table import PlayTable
from metric_learning.train_user import PATIENCE, UserTraining, train_user_tower
from metric_learning.user import UserTower, embed_users
from metric_learning.user_recipe import UserRecipe
from tests.benchmarks.made_listening import (
    TRACKS_PER_ARTIST,
    Size,
    made_embeddings,
    made_plays,
    many_embeddings,
    real_embeddings,
)
from tests.benchmarks.measuring import Cost, apart, measuring
from tests.benchmarks.whole_training import WHOLE_PARTS, whole_costs

NOT_MEASURED = "decoding, log-mels and pooling (the same for each track), `pretrain`, training below the head"
PARTS = HEAD, TOWER, WHOLE = (
    "closed-form head",
    "user tower",
    "whole",
)  # the tower for one pass; in the whole to its end
SHARES = (1 / 16, 1 / 4, 1)
ASKED = 1_000_000  # tracks, to which the cost is extrapolated


@dataclass(kw_only=True)
class Growth:
    """How a part of training grows."""

    part: str
    sizes: list[Size]
    costs: list[Cost] = field(default_factory=list)

    @property
    def exponent(self) -> float:
        """Of the CPU time over the number of tracks."""
        return self._exponent(0)

    @property
    def last_exponent(self) -> float:
        """The same between the last two sizes, where constant costs weigh least."""
        return self._exponent(len(self.sizes) - 2)

    @property
    def asked_s(self) -> float:
        """CPU seconds at `ASKED` tracks: by the last exponent or the line through the last two sizes, which is more."""
        (_, before, last), (_, cost_before, cost_last) = self.sizes, self.costs
        slope = (cost_last.cpu_s - cost_before.cpu_s) / (last.n_tracks - before.n_tracks)
        line = cost_last.cpu_s + slope * (ASKED - last.n_tracks)
        return max(line, cost_last.cpu_s * (ASKED / last.n_tracks) ** self.last_exponent)

    def _exponent(self, first: int) -> float:
        """Fit it to the sizes from the `first` on."""
        n_tracks, cpu_s = [size.n_tracks for size in self.sizes[first:]], [cost.cpu_s for cost in self.costs[first:]]
        return float(np.polyfit(np.log(n_tracks), np.log(cpu_s), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, required=True)
    parser.add_argument("--users", type=int, required=True)
    parser.add_argument("--plays", type=int, required=True)
    parser.add_argument("--part", choices=PARTS, nargs="+", default=[HEAD, TOWER], help="measure these")
    parser.add_argument("--world", type=Path, help="enlarge from the warm tracks of this world; none: from made ones")
    parser.add_argument("--audio", type=Path, help="the folder of its files")
    parser.add_argument("--store", type=Path, default=default_store(), help="the cache of log-mels")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    whole = Size(n_tracks=options.tracks, n_users=options.users, n_plays=options.plays)
    real = real_embeddings(options.world, options.audio, options.store) if options.world else made_embeddings()
    found = measure(whole, real, options.part)
    if options.json:
        rows = [_row(growth) for growth in found]
        print(json.dumps({"parts": rows, "machine": machine(), "not_measured": NOT_MEASURED}))
    else:
        print("\n".join(report(found)))


def measure(whole: Size, real: NDArray[np.float32], parts: Sequence[str]) -> list[Growth]:
    """Measure parts of training at three sizes."""
    sizes = [Size(**{name: max(int(n * share), 16) for name, n in asdict(whole).items()}) for share in SHARES]
    named = [name for part in parts for name in (WHOLE_PARTS if part == WHOLE else (part,))]
    found = {name: Growth(part=name, sizes=sizes) for name in named}
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file, real)
        file.flush()
        for size, part in product(sizes, parts):
            for name, cost in costs_of(part, size, Path(file.name)).items():
                found[name].costs.append(cost)
    return list(found.values())


def costs_of(part: str, size: Size, real: Path) -> dict[str, Cost]:
    """Measure a part at one size, in a process of its own."""
    if part == WHOLE:
        return whole_costs(size, real)
    return {part: apart(tower_cost, size) if part == TOWER else apart(head_cost, size, real)}


def report(found: list[Growth]) -> Iterator[str]:
    """Write tables."""
    yield machine()
    yield ""
    yield "| part | tracks | users | plays | s | CPU s | MB |"
    yield "|---|---|---|---|---|---|---|"
    for growth in found:
        for size, cost in zip(growth.sizes, growth.costs, strict=True):
            numbers = f"{size.n_tracks:,} | {size.n_users:,} | {size.n_plays:,}"
            yield f"| {growth.part} | {numbers} | {cost.seconds:.1f} | {cost.cpu_s:.1f} | {cost.memory_mb:.0f} |"
    yield ""
    for growth in found:
        exponents = f"{growth.exponent:.2f} ({growth.last_exponent:.2f} between the last two sizes)"
        yield f"- {growth.part}: CPU time grows with exponent {exponents} of the number of tracks;"
        yield f"  at {ASKED:,}, users and plays in proportion, {growth.asked_s / 60:,.0f} CPU minutes (extrapolated)."
    if any(growth.part == TOWER for growth in found):
        yield f"- {TOWER}: one pass. A whole training is up to {UserTraining().max_epochs}, and ends before that after"
        yield f"  {PATIENCE} without a better loss on the users held out."
    yield f"- Not measured: {NOT_MEASURED}."


def _row(growth: Growth) -> dict[str, object]:
    """Write a part as one object."""
    found = {name: getattr(growth, name) for name in ("exponent", "last_exponent", "asked_s")}
    return asdict(growth) | found


def machine() -> str:
    """Describe the machine, and how busy it is."""
    load = ", ".join(f"{n:.1f}" for n in os.getloadavg())
    return f"{os.cpu_count()} cores, {torch.get_num_threads()} threads used; load of 1, 5 and 15 minutes: {load}"


def head_cost(size: Size, real: Path) -> Cost:
    """Fit the closed-form head."""
    encoder = load_checkpoint(DEFAULT_MODEL_DIR)[0]
    heard = np.load(real)[:, -encoder.n_heard :]
    pooled, target = many_embeddings(heard, 2 * size.n_tracks)
    artists = [str(row % max(size.n_tracks // TRACKS_PER_ARTIST, 2)) for row in range(len(pooled))]
    with measuring() as cost:
        fit_listening_head(pooled, target, artists=artists)
    return cost


def tower_cost(size: Size) -> Cost:
    """Train the user tower for one pass, and embed all users."""
    plays = made_plays(size)
    torch.manual_seed(0)
    tower = UserTower(UserRecipe(n_tracks=size.n_tracks))
    with measuring() as cost:
        table = PlayTable(plays, size.n_users, recipe=tower.recipe)
        train_user_tower(tower, table, training=UserTraining(max_epochs=1))
        embed_users(tower, table)
    return cost


if __name__ == "__main__":
    main()
