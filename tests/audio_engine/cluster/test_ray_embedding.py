"""Embedding on a cluster of two machines (two Ray nodes here): same vectors, none lost or repeated, through crashes."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
import pytest

from audio_engine import Engine
from audio_engine.catalogue.paths import catalogue_path
from audio_engine.cluster import ray_embedding
from audio_engine.cluster.ray_embedding import RayRun, embed_with_ray
from tests.sounds import write_sound

if TYPE_CHECKING:
    from ray._private.node import Node
    from ray.cluster_utils import Cluster

ray = pytest.importorskip("ray", reason="ray is not installed: pip install '.[ray]'")

N_TRACKS = 12
ROWS_A_FILE = 4
NOTICE_DEATH_SOON = {"health_check_period_ms": 1_000}
OBJECT_STORE = 256 * 2**20  # bytes a node
AT_WORK = ("ray::MapBatches(read_track)", "ray::MapWorker(MapBatches(EmbedTracks)).submit")  # titles of processes
PATIENCE_S = 120.0  # seconds until a run must be where a test waits for it

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context"),  # Ray sets its own deprecated options
]


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    for seed in range(N_TRACKS):
        write_sound(folder / f"{seed:02}.flac", 4.0, seed=seed)
    (folder / "letter.mp3").write_text("this is a letter")
    return folder


@pytest.fixture(scope="module")
def vectors(music: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    with Engine.open(tmp_path_factory.mktemp("local")) as engine:
        list(engine.embed(music))
        return {str(track.path): engine.vector(track.track_id) for track in engine.tracks()}


@pytest.fixture(scope="module", autouse=True)
def plain_machine() -> Iterator["Machine"]:
    """Start a cluster of two machines; yields the one that can be killed."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    head = {"num_cpus": 0, "object_store_memory": OBJECT_STORE, "_system_config": NOTICE_DEATH_SOON}
    import_path = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)  # the workers import what is tested
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster = Cluster(initialize_head=True, head_node_args=head)
        cluster.add_node(num_cpus=2, num_gpus=1, object_store_memory=OBJECT_STORE)  # in name: it keeps the stages apart
        plain = cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE)
        ray.init(address=cluster.address, runtime_env={"env_vars": {"PYTHONPATH": import_path}})
        yield Machine(cluster, plain)
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture
def served(music: Path) -> Iterator[str]:
    """Serve the music from a remote store."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(music))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Machine(NamedTuple):
    cluster: "Cluster"
    node: "Node"


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_vectors_are_those_of_a_local_embed_and_all_of_them_import_once(
    music: Path, vectors: dict[str, np.ndarray], served: str, tmp_path: Path
) -> None:
    listing, table = tmp_path / "list.txt", tmp_path / "table"
    remote = [f"{served}/00.flac", f"{served}/gone.flac"]
    listing.write_text("\n".join(remote))
    run = embed_with_ray([str(music), str(listing)], str(table))
    assert run == RayRun(n_listed=N_TRACKS + 3, n_before=0, n_embedded=N_TRACKS + 1, n_failed=2)

    with Engine.open(tmp_path / "catalogue") as engine:
        assert len(list(engine.ingest.import_parquet(table))) == N_TRACKS + 3
        assert list(engine.ingest.import_parquet(table)) == []
        assert engine.plan(music).to_embed == ()
        expected = vectors | {str(catalogue_path(remote[0])): vectors[str(music / "00.flac")]}
        assert {str(track.path) for track in engine.tracks()} == set(expected)
        for path, vector in expected.items():
            np.testing.assert_allclose(engine.vector(path), vector, atol=1e-5)
        reasons = {track.path.name: track.error for track in engine.errors()}
    assert reasons["letter.mp3"].startswith("FFmpeg: Invalid data")
    assert reasons["gone.flac"].startswith("FileNotFoundError")


def test_processes_and_a_machine_that_die_lose_nothing_and_a_run_that_is_repeated_goes_on(
    plain_machine: "Machine",
    music: Path,
    vectors: dict[str, np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray_embedding, "TRACKS_A_TASK", 2)
    table = tmp_path / "table"
    killed: list[str] = []
    killer = threading.Thread(target=kill_processes_and_a_machine, args=(plain_machine, killed))
    killer.start()
    embed_with_ray([str(music)], str(table), rows_per_file=ROWS_A_FILE)
    killer.join()
    assert sorted(killed) == ["a machine", *sorted(AT_WORK)]
    check_rows(table, music, vectors)

    whole, half = sorted(table.iterdir())[:2]
    n_lost = pl.read_parquet(whole).height + pl.read_parquet(half).height
    whole.unlink()
    half.write_bytes(half.read_bytes()[:-100])  # as a driver leaves it that dies while it writes
    monkeypatch.setattr(ray_embedding, "TRACKS_A_RUN", n_lost - 1)
    run = embed_with_ray([str(music)], str(table), rows_per_file=ROWS_A_FILE)
    assert (run.n_before, run.n_embedded + run.n_failed) == (N_TRACKS + 1 - n_lost, n_lost)
    check_rows(table, music, vectors)


def check_rows(table: Path, music: Path, vectors: dict[str, np.ndarray]) -> None:
    rows = pl.read_parquet(table)
    assert sorted(rows["uri"]) == sorted(map(str, music.iterdir()))
    for uri, vector in rows.filter(error="").select("uri", "vector").iter_rows():
        np.testing.assert_allclose(vector, vectors[uri], atol=1e-5)
    assert rows.filter(pl.col("error") != "")["uri"].to_list() == [str(music / "letter.mp3")]


def kill_processes_and_a_machine(machine: "Machine", killed: list[str]) -> None:
    """Kill the first process that is seen at work in each of the two stages, then a machine with all that is on it."""
    deadline = time.monotonic() + PATIENCE_S
    while len(killed) < len(AT_WORK) and time.monotonic() < deadline:
        for title, process_id in processes():
            for stage in AT_WORK:
                if stage not in killed and title.startswith(stage):
                    os.kill(process_id, signal.SIGKILL)
                    killed.append(stage)
        time.sleep(0.01)
    machine.cluster.remove_node(machine.node, allow_graceful=False)
    killed.append("a machine")


def processes() -> list[tuple[str, int]]:
    """List what runs on this machine by its title."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found.append(((folder / "cmdline").read_bytes().decode("utf-8", "replace"), int(folder.name)))
        except OSError:
            continue  # it has ended
    return found
