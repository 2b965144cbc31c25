"""Track ids and rows, against a list, through enough changes to trigger re-sorting."""

import numpy as np
import pytest

from index import track_ids
from index.track_ids import GONE, TrackIds


def test_rows_and_ids_agree_with_a_list_through_many_changes(monkeypatch):
    monkeypatch.setattr(track_ids, "RESORT_FROM", 20)
    random = np.random.default_rng(0)
    rows = [f"t{number}" for number in range(50)]
    ids = TrackIds.of(rows)
    for step in range(120):
        new = [f"{'é' * (step % 5)}{step}-{number}" for number in range(random.integers(0, 6))]
        ids.append(new)
        rows = rows + new
        gone = np.sort(random.choice(len(rows), random.integers(0, 6), replace=False))
        n = len(rows) - len(gone)
        holes, movers = gone[gone < n], np.setdiff1d(np.arange(n, len(rows)), gone)
        forgotten = [rows[row] for row in gone]
        ids.fill(holes, movers, forgotten, n)
        for hole, mover in zip(holes, movers, strict=True):
            rows[hole] = rows[mover]
        rows = rows[:n]
        assert ids.at(np.arange(len(ids))) == rows
        assert ids.rows_of(rows).tolist() == [*range(n)]
        assert (ids.rows_of([*forgotten, "nobody", "t1\0", ""]) == GONE).all()
        names, order = ids.arrays()
        again = TrackIds(names, order)
        assert again.rows_of(rows).tolist() == [*range(n)]


def test_no_id_at_all_is_found_nowhere():
    ids = TrackIds.of([])
    assert ids.rows_of(["a"]).tolist() == [GONE]
    assert ids.rows_of([]).tolist() == []
    assert len(ids) == 0


def test_an_id_that_could_not_be_told_from_another_is_refused():
    for track_id in ("", "a\0"):
        with pytest.raises(ValueError, match="track_id must be a text without NUL characters"):
            TrackIds.of([track_id])
