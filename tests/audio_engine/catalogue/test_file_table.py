"""Files are asked for below folders, at paths and by content as if all of them were compared."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_engine import Catalogue, Tags
from audio_engine.catalogue.track import DIM, Embedded, Failed

PARTS = st.sampled_from(["a", "b", "a b", "ab", "a.", "0", "a/b", "é", "\udcff", "a0"])
PATHS = st.lists(PARTS, min_size=1, max_size=3).map(lambda parts: Path("/", *parts))
VECTOR = np.eye(1, DIM, dtype=np.float32)[0]


def embedded(path: Path, content: str = "x", model_id: str = "m") -> Embedded:
    return Embedded(
        path=path, content_hash=content, file_size=1, mtime_ns=1, tags=Tags(), model_id=model_id, vector=VECTOR
    )


@settings(max_examples=25, deadline=None)
@given(paths=st.sets(PATHS, min_size=1, max_size=12), places=st.lists(PATHS | st.just(Path("/")), max_size=3))
def test_files_below_and_at_places_are_those_of_a_comparison(
    paths: set[Path], places: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Catalogue(tmp_path_factory.mktemp("files")) as catalogue:
        catalogue.write([embedded(path) for path in paths])
        everything = catalogue.files.all()
        assert set(everything) == paths
        below = {path for path in paths if any(path.is_relative_to(place) for place in places)}
        assert catalogue.files.below(*places) == {path: everything[path] for path in below}
        assert catalogue.files.at(places) == {path: everything[path] for path in paths & set(places)}
        for place in places:
            assert catalogue.files.n_below(place) == sum(path.is_relative_to(place) for path in paths)
            assert list(catalogue.files.below(place)) == sorted(catalogue.files.below(place), key=os.fsencode)


def test_more_paths_than_a_query_takes_are_found(tmp_path: Path) -> None:
    paths = [Path(f"/{number}") for number in range(1_034)]
    with Catalogue(tmp_path) as catalogue:
        catalogue.write([embedded(path) for path in paths[::2]])
        assert set(catalogue.files.at(paths)) == set(paths[::2])


def test_files_of_a_content_are_those_with_a_vector_of_the_model(tmp_path: Path) -> None:
    with Catalogue(tmp_path) as catalogue:
        catalogue.write([embedded(Path("/1")), embedded(Path("/2")), embedded(Path("/3"), model_id="other")])
        catalogue.write([embedded(Path("/4"), content="y")])
        catalogue.write([Failed(path=Path("/2"), content_hash="x", file_size=1, mtime_ns=1, error="cut")])
        assert set(catalogue.files.of_content("x", "m")) == {Path("/1")}
        assert catalogue.files.pending("m") == [Path("/3")]
        assert catalogue.files.pending("other") == [Path("/1"), Path("/4")]
        assert (catalogue.n_pending("m"), catalogue.n_pending("other"), catalogue.n_pending("none")) == (1, 2, 3)
