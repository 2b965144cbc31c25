"""An upload that finds no space on the disk is 507, and leaves nothing."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from audio_engine import Engine
from tests.disks import fill, small_disk
from tests.genre_world import SAMPLE_RATE
from tests.service.serving import assert_problem, flac, served


@pytest.mark.parametrize("spare_kib", [0, 8, 20, 2_000])
def test_an_upload_to_a_full_disk_is_507_and_leaves_nothing(own: Path, tmp_path: Path, spare_kib: int) -> None:
    sound = flac(np.random.default_rng(0).normal(0, 0.1, 2 * SAMPLE_RATE))
    assert 20 < len(sound) / 1_024 < 2_000
    with small_disk(tmp_path / "disk", n_kib=11_000) as disk:
        catalogue = shutil.copytree(own, disk / "catalogue")
        with served(Engine.open(catalogue)) as client:
            fill(disk)
            with (disk / "fill").open("ab") as filling:
                filling.truncate(filling.tell() - spare_kib * 1_024)
            reply = client.post("/v1/tracks", files={"file": ("a.flac", sound)})
            if reply.status_code != 201:
                assert str(disk) not in assert_problem(reply, 507, "disk_full")
            assert (reply.status_code == 201) == (spare_kib == 2_000)
            (disk / "fill").unlink()
            n_new = client.get("/v1/tracks").json()["n_tracks"] - 18
            kept = [path for path in (catalogue / "uploads").rglob("*") if path.is_file()]
            assert len(kept) == n_new == (reply.status_code == 201)
