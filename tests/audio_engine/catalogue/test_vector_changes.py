"""The catalogue lists what has changed of its vectors since a stamp, for as long as it keeps that."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_engine import Catalogue, Tags
from audio_engine.catalogue import writes
from audio_engine.catalogue.track import DIM, Embedded, Failed

CHANGES = st.tuples(st.sampled_from(["write", "fail", "remove", "write other model"]), st.integers(0, 5))


def embedded(number: int, vector: int, model_id: str = "m") -> Embedded:
    return Embedded(
        path=Path(f"/{number}"),
        content_hash=f"{number} {vector}",
        file_size=1,
        mtime_ns=1,
        tags=Tags(),
        model_id=model_id,
        vector=np.eye(1, DIM, vector % DIM, dtype=np.float32)[0],
    )


def change(catalogue: Catalogue, what: str, number: int, step: int) -> None:
    if what.startswith("write"):
        catalogue.write([embedded(number, step, "m" if what == "write" else "other")])
    elif what == "fail":
        path = Path(f"/{number}")
        catalogue.write([Failed(path=path, content_hash=None, file_size=1, mtime_ns=1, error="cut")])
    elif track := catalogue.track_at(Path(f"/{number}")):
        catalogue.remove([track.track_id])


def state(catalogue: Catalogue) -> dict[str, bytes]:
    return {track_id: vector.tobytes() for track_id, vector in zip(*catalogue.vectors("m"), strict=True)}


@settings(max_examples=20, deadline=None)
@given(changes=st.lists(CHANGES, max_size=12))
def test_from_every_stamp_the_changes_lead_to_what_is_there(
    changes: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Catalogue(tmp_path_factory.mktemp("changes")) as catalogue:
        before = [(catalogue.vectors_stamp, state(catalogue))]
        for step, (what, number) in enumerate(changes):
            change(catalogue, what, number, step)
            before.append((catalogue.vectors_stamp, state(catalogue)))
        stamp, now = before[-1]
        for since, then in before:
            found = catalogue.vector_changes(since, "m")
            assert found is not None
            assert found.stamp == stamp
            new = {track_id: vector.tobytes() for track_id, vector in zip(found.track_ids, found.vectors, strict=True)}
            assert {each: vector for each, vector in (then | new).items() if each not in found.gone} == now
        assert catalogue.vector_changes("no stamp of ours", "m") is None
        n_by_model = dict(catalogue._connections.main.execute("SELECT * FROM n_vectors"))
        counted = dict(catalogue._connections.main.execute("SELECT model_id, count(*) FROM vectors GROUP BY model_id"))
        assert {model_id: n for model_id, n in n_by_model.items() if n} == counted


def test_changes_of_long_ago_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "CHANGES_LISTED", 3)
    with Catalogue(tmp_path) as catalogue:
        stamps = []
        for number in range(6):
            catalogue.write([embedded(number, number)])
            stamps.append(catalogue.vectors_stamp)
        assert [catalogue.vector_changes(stamp, "m") is None for stamp in stamps] == [True] * 3 + [False] * 3
