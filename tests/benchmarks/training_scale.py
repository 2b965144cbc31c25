"""Benchmark how two parts of training grow with the catalogue and the log; Markdown, or JSON with ``--json``.

    python -m tests.benchmarks.training_scale --tracks N --users M --plays P [--part PART …]
      [--world DIR --audio DIR] [--json]

Three sizes are measured, a sixteenth, a quarter and the whole, each in a process of its own: the closed-form head on
twice as many pooled embeddings as there are tracks, and one pass of the user tower, with the embedding of all users and
the directions in which tracks differ for them. The catalogue is enlarged from the pooled embeddings of the warm tracks
of a world (``../shared/world``), or from made ones, and its plays are made. Memory is what the process holds by itself;
pages of memory-mapped files, which the system may drop, are not counted. Threads: ``OMP_NUM_THREADS``.
"""

import argparse
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audio_engine.evaluation.cold_start.data import read_world
from audio_engine.training.mel_cache import cache_mels, default_store, open_mel_store
from audio_engine.training.pooling import pool_tracks
from metric_learning.checkpoint import load_checkpoint
from metric_learning.listening_head import fit_listening_head
from metric_learning.model_files import DEFAULT_MODEL_DIR
from metric_learning.play_log import DISLIKE, LIKE, NONE, PlayLog
from metric_learning.play_table import PlayTable
from metric_learning.temporary_array import temporary_array
from metric_learning.train_user import PATIENCE, UserTraining, train_user_tower
from metric_learning.user import UserTower, embed_users
from metric_learning.user_recipe import UserRecipe
from tests.benchmarks.enlarged import enlarged

NOT_MEASURED = (
    "decoding, log-mels and pooling (the same for each track), `pretrain`, metric learning of the whole network, "
    "reading the log, evaluation"
)
PARTS = HEAD, TOWER = "closed-form head", "user tower"  # of which the tower is trained for one pass
SHARES = (1 / 16, 1 / 4, 1)
ASKED = 1_000_000  # tracks, to which the cost is extrapolated
N_COMPONENTS, N_TASTES, TRACKS_PER_ARTIST = 40, 8, 8
N_MADE, MADE_RANK = 400, 40  # made tracks to enlarge from
BLOCK, PLAY_BLOCK = 512, 1 << 20  # embeddings, plays made at once


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much there is to learn from."""

    n_tracks: int
    n_users: int
    n_plays: int


@dataclass(kw_only=True)
class Cost:
    """What a part of training took."""

    seconds: float = 0.0  # on the clock
    cpu_s: float = 0.0
    memory_mb: float = 0.0  # at most, of the process's own pages


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
    parser.add_argument("--part", choices=PARTS, nargs="+", default=list(PARTS), help="measure these only")
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
    head = Growth(part=HEAD, sizes=sizes)
    tower = Growth(part=TOWER, sizes=sizes)
    found = [growth for growth in (head, tower) if growth.part in parts]
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file, real)
        file.flush()
        for size, growth in product(sizes, found):
            cost = apart(tower_cost, size) if growth is tower else apart(head_cost, size, Path(file.name))
            growth.costs.append(cost)
    return found


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
    training = UserTraining()
    yield f"- The user tower was trained for one pass. A whole training is up to {training.max_epochs}, and ends before"
    yield f"  that after {PATIENCE} looks at held-out users, at most {training.steps_per_round} steps apart, without a"
    yield "  better loss."
    yield f"- Not measured: {NOT_MEASURED}."


def _row(growth: Growth) -> dict[str, object]:
    """Write a part as one object."""
    found = {name: getattr(growth, name) for name in ("exponent", "last_exponent", "asked_s")}
    return asdict(growth) | found


def machine() -> str:
    """Describe the machine, and how busy it is."""
    load = ", ".join(f"{n:.1f}" for n in os.getloadavg())
    return f"{os.cpu_count()} cores, {torch.get_num_threads()} threads used; load of 1, 5 and 15 minutes: {load}"


def apart(function: Callable[..., Cost], *arguments: Size | Path) -> Cost:
    """Call a function in a new process, so that its memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


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


@contextmanager
def measuring() -> Iterator[Cost]:
    """Measure what happens inside."""
    cost, ended = Cost(), threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            cost.memory_mb = max(cost.memory_mb, own_memory_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began, began_cpu = time.perf_counter(), time.process_time()
    try:
        yield cost
    finally:
        cost.seconds, cost.cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
        ended.set()
        watcher.join()


def own_memory_mb() -> float:
    """Read how much memory this process holds, pages of files not counted."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1e3


def real_embeddings(world: Path, audio: Path, store: Path) -> NDArray[np.float32]:
    """Pool the warm tracks of a world with the model that ships: (n_tracks, segment_dim)."""
    encoder, recipe = load_checkpoint(DEFAULT_MODEL_DIR)
    warm = read_world(world, audio).warm
    cache_mels([warm.by_id], recipe, store)
    return pool_tracks(encoder, open_mel_store(warm.by_id, recipe, store).read(warm.track_ids))


def made_embeddings() -> NDArray[np.float32]:
    """Make embeddings of which a few directions are strong: (N_MADE, segment_dim)."""
    dim = load_checkpoint(DEFAULT_MODEL_DIR)[0].config.segment_dim
    rng = np.random.default_rng(0)
    strong = rng.standard_normal((N_MADE, MADE_RANK)) @ rng.standard_normal((MADE_RANK, dim)) / np.sqrt(MADE_RANK)
    return (strong + rng.standard_normal((N_MADE, dim))).astype(np.float32)


def many_embeddings(real: NDArray[np.float32], n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw n embeddings like the real ones, and a target that depends on them."""
    rng = np.random.default_rng(1)
    lengths = np.linalg.norm(real, axis=1, keepdims=True)
    directions = rng.standard_normal((real.shape[1], N_COMPONENTS)).astype(np.float32) / np.sqrt(real.shape[1])
    pooled, target = temporary_array((n, real.shape[1])), np.empty((n, N_COMPONENTS), np.float32)
    for place, block in enumerate(enlarged(real / lengths, n, 0, BLOCK)):
        rows = slice(place * BLOCK, place * BLOCK + len(block))
        pooled[rows] = block * np.median(lengths)
        target[rows] = np.tanh(pooled[rows] @ directions) + 0.5 * rng.standard_normal((len(block), N_COMPONENTS))
    return pooled, target - target.mean(0)


def made_plays(size: Size) -> PlayLog:
    """Make plays: some tracks are popular, and users like those that lie in the direction of their taste."""
    rng = np.random.default_rng(2)
    users, tracks = (rng.standard_normal((n, N_TASTES)).astype(np.float32) for n in (size.n_users, size.n_tracks))
    user = rng.integers(0, size.n_users, size.n_plays)
    track = (size.n_tracks * rng.random(size.n_plays) ** 2).astype(np.int64)
    action = np.empty(size.n_plays, np.int8)
    for start in range(0, size.n_plays, PLAY_BLOCK):
        rows = slice(start, start + PLAY_BLOCK)
        taste = (users[user[rows]] * tracks[track[rows]]).sum(1) / np.sqrt(N_TASTES)
        action[rows] = np.where(taste > 1, LIKE, np.where(taste < -1, DISLIKE, NONE))
    day = np.sort(rng.random(size.n_plays) * 365).astype(np.float32)
    return PlayLog(user=user, track=track, day=day, completion=rng.random(size.n_plays, np.float32), action=action)


if __name__ == "__main__":
    main()
