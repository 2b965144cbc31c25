"""Every network of the literature is trained and scored on a small world."""

from pathlib import Path

from audio_engine.evaluation.cold_start.data import build_mels, read_world
from tests.benchmarks.experiments.cold_start.__main__ import score_networks
from tests.benchmarks.experiments.cold_start.networks import BaselineTraining


def test_every_network_is_scored_on_artists_without_a_warm_track(world: Path, tmp_path: Path) -> None:
    data = read_world(world, world)
    build_mels(data, [], tmp_path, baselines=True)
    rows = list(score_networks(data, tmp_path, BaselineTraining(n_steps=3, batch_size=64)))
    auc = {r.method: r for r in rows if r.metric == "auc_liked_rejected" and r.about["artists"] == "unseen"}
    assert set(auc) == {"van den Oord 2013", "DCUE 2018", "CLCRec 2021"}
    assert all(row.low <= row.value <= row.high for row in auc.values())
