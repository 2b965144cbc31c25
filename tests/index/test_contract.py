"""The contract of every index, of any kind."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from index.vector_index import VectorIndex
from tests.index.twin import clustered, names, twin_search, unit

N_TRACKS = 300
IDS = names(N_TRACKS)
VECTORS = clustered(N_TRACKS)
QUERIES = clustered(20, seed=5)


@pytest.fixture(params=["exact", "inverted", "compressed"])
def index(request):
    return VectorIndex.build(IDS, VECTORS, kind=request.param, recall=0.9)


def assert_finds(answers, vectors, k):
    """Nearly all of the true neighbours, with their true similarities."""
    shares = []
    for query, answer in zip(QUERIES, answers, strict=True):
        expected = twin_search(vectors, query, k)
        assert len(answer) == len(expected)
        for track_id, similarity in answer:
            assert similarity == pytest.approx(float(vectors[track_id] @ query), abs=1e-3)
        n_missed = len(dict(expected).keys() - dict(answer).keys())
        shares.append(n_missed / max(1, len(expected)))
    assert np.mean(shares) <= 0.15


def test_a_search_finds_the_nearest_tracks(index):
    assert len(index) == index.describe().n_tracks == N_TRACKS
    assert index.dim == 16
    assert "000007" in index
    assert "nobody" not in index
    assert_finds(index.search(QUERIES, 10), dict(zip(IDS, VECTORS, strict=True)), 10)
    assert index.search(QUERIES[:0], 10) == []


def test_more_neighbours_than_tracks_gives_all(index):
    index.remove(IDS[5:])
    assert {track_id for track_id, _ in index.search(QUERIES[:1], 50, allowed_ids=IDS)[0]} == set(IDS[:5])


@pytest.mark.parametrize("n", [0, 1, 30, N_TRACKS])
def test_a_filter_is_applied_before_ranking(index, n):
    wanted = set(np.random.default_rng(n).permutation(IDS)[:n].tolist())
    answers = index.search(QUERIES, 10, allowed_ids=wanted | {"nobody", 'a "quoted\\ name'})
    assert_finds(answers, {t: v for t, v in zip(IDS, VECTORS, strict=True) if t in wanted}, 10)


def test_what_is_removed_is_never_found_and_what_is_added_is(index):
    new = clustered(40, seed=6)
    index.remove(IDS[:100])
    index.add([f"new{n}" for n in range(40)], new)
    held = dict(zip(IDS[100:], VECTORS[100:], strict=True)) | {f"new{n}": v for n, v in enumerate(new)}
    assert_finds(index.search(QUERIES, 10), held, 10)
    assert len(index) == N_TRACKS - 60
    assert index.vectors(["new3", "000200", "new3"]) == pytest.approx(
        np.stack([new[3], VECTORS[200], new[3]]), abs=1e-3
    )


def test_equal_tracks_stand_in_the_order_of_their_ids(index):
    index.remove(IDS)
    assert index.search(QUERIES[:1], 3) == [[]]
    index.add([f"c{n:02}" for n in range(60)], np.tile(VECTORS[:1], (60, 1)))
    answer = index.search(VECTORS[:1], 60)[0]
    found = [track_id for track_id, _ in answer]
    assert found == sorted(found)
    assert len(found) > 0


def test_a_refused_change_changes_nothing(index):
    with pytest.raises(ValueError, match="track_ids must be new to the index, got '000001'"):
        index.add(["fresh", "000001"], VECTORS[:2])
    with pytest.raises(LookupError, match="track_id must be in the index, got 'nobody'"):
        index.remove(["000001", "nobody"])
    with pytest.raises(LookupError, match="track_id must be in the index, got 'nobody'"):
        index.vectors(["nobody"])
    with pytest.raises(ValueError, match="each stand once"):
        index.add(["a", "a"], VECTORS[:2])
    with pytest.raises(ValueError, match="unit length, got 2"):
        index.add(["a"], 2 * VECTORS[:1])
    with pytest.raises(ValueError, match="k must be at least 1"):
        index.search(QUERIES, 0)
    assert len(index) == N_TRACKS


@pytest.mark.parametrize("kind", ["exact", "inverted", "compressed"])
def test_readers_see_a_change_whole_or_not_at_all(kind):
    """A pair of tracks comes and goes as one; whoever searches must see both or neither."""
    index = VectorIndex.build(IDS, VECTORS, kind=kind, recall=0.9)
    far = unit(-VECTORS.mean(axis=0))
    pair = np.stack([far, far])
    is_over = threading.Event()

    def change():
        for _ in range(150):
            index.add(["left", "right"], pair)
            index.remove(["right", "left"])
        is_over.set()

    def search(number):
        seen = []
        allowed_ids = ["left", "right", *IDS[:20]] if number % 2 else None
        while not is_over.is_set():
            answer = index.search(far[np.newaxis], 2, allowed_ids=allowed_ids)[0]
            seen.append(len({"left", "right"} & dict(answer).keys()))
            assert all(
                similarity == pytest.approx(1, abs=1e-3)
                for track_id, similarity in answer
                if track_id in ("left", "right")
            )
        return seen

    with ThreadPoolExecutor(4) as pool:
        searches = [pool.submit(search, number) for number in range(3)]
        pool.submit(change).result()
        assert {number for each in searches for number in each.result()} <= {0, 2}
    assert len(index) == N_TRACKS
