from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from tests.benchmarks.experiments import user_tower
from tests.benchmarks.experiments.user_tower import counts_as_plays, evaluate_user_tower, read_counts, split_counts

RNG = np.random.default_rng(0)


def counts(n_users: int = 80, n_artists: int = 40) -> csr_matrix:
    """Even people play even artists."""
    agree = np.arange(n_users)[:, None] % 2 == np.arange(n_artists) % 2
    plays = RNG.integers(1, 500, agree.shape) * (RNG.random(agree.shape) < np.where(agree, 0.6, 0.02))
    return csr_matrix(plays.astype(np.float32))


def test_a_share_of_each_persons_artists_is_hidden_and_nothing_is_lost() -> None:
    whole = counts()
    split = split_counts(whole, share=0.2, seed=0, left_out_share=0.1)
    known, degree = split.known.toarray() > 0, (whole.toarray() > 0).sum(1)
    assert not (known & split.hidden).any()
    assert ((known | split.hidden) == (whole.toarray() > 0)).all()
    np.testing.assert_array_equal(split.hidden.sum(1), np.maximum(1, np.round(0.2 * degree)))
    assert 0 < split.left_out.mean() < 0.3


def test_more_plays_are_a_stronger_yes_and_none_is_a_no() -> None:
    plays = counts_as_plays(csr_matrix(np.array([[1.0, 100.0], [7.0, 0.0]], np.float32)))
    assert plays.completion[1] == 1.0
    assert 0.5 < plays.completion[0] < 1.0
    assert (plays.signal() >= 0).all()


def test_the_tower_finds_hidden_artists_also_for_people_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("implicit")
    whole = counts().tocoo()
    lines = [f"{u}\t{a}\t{int(w)}" for u, a, w in zip(whole.row, whole.col, whole.data, strict=True)]
    (tmp_path / "user_artists.dat").write_text("\n".join(["userID\tartistID\tweight", *lines]))
    assert read_counts(tmp_path).nnz == whole.nnz
    for grid in ("ALS_GRID", "BPR_GRID", "TOWER_GRID"):
        monkeypatch.setattr(user_tower, grid, getattr(user_tower, grid)[:1])
    rows = {(row.method, row.about["people"], row.metric): row.value for row in evaluate_user_tower(tmp_path)}
    assert len(rows) == 12
    chance = 20 / 40
    assert rows["user tower", "in training", "recall@20"] > chance + 0.2
    assert rows["user tower", "left out", "recall@20"] > chance + 0.2
