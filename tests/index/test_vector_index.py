from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from index.vector_index import VectorIndex

DIM = 3
TRACK_IDS = st.sampled_from([f"t{number}" for number in range(12)])
SEEDS = st.integers(0, 7)  # few vectors, so that equal ones are common


def unit_vector(seed, dim=DIM):
    vector = np.random.default_rng(seed).standard_normal(dim).astype(np.float32)
    return vector / np.linalg.norm(vector)


def twin_search(vectors, query, k):
    """The answer in plain loops: sums in double precision, sorted by similarity and then by id."""
    hits = []
    for track_id, vector in vectors.items():
        similarity = sum(float(a) * float(b) for a, b in zip(vector, query, strict=True))
        hits.append((track_id, min(max(similarity, -1.0), 1.0)))
    return sorted(hits, key=lambda hit: (-hit[1], hit[0]))[:k]


class IndexBesideADictionary(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.index = VectorIndex(DIM)
        self.vectors = {}

    @rule(seeds=st.dictionaries(TRACK_IDS, SEEDS, max_size=4))
    def add(self, seeds):
        new = {track_id: unit_vector(seed) for track_id, seed in seeds.items()}
        matrix = np.array([*new.values()], dtype=np.float32).reshape(-1, DIM)
        if new.keys() & self.vectors.keys():
            with pytest.raises(ValueError, match="track_ids must be new"):
                self.index.add([*new], matrix)
        else:
            self.index.add([*new], matrix)
            self.vectors |= new

    @rule(track_ids=st.lists(TRACK_IDS, max_size=4))
    def remove(self, track_ids):
        if set(track_ids) <= self.vectors.keys():
            self.index.remove(track_ids)
            self.vectors = {key: vector for key, vector in self.vectors.items() if key not in track_ids}
        else:
            with pytest.raises(LookupError, match="track_id must be in the index"):
                self.index.remove(track_ids)

    @rule(seeds=st.lists(SEEDS, max_size=3), k=st.integers(1, 15))
    def search(self, seeds, k):
        queries = np.array([unit_vector(seed) for seed in seeds], dtype=np.float32).reshape(-1, DIM)
        answers = self.index.search(queries, k)
        assert len(answers) == len(seeds)
        for query, answer in zip(queries, answers, strict=True):
            expected = twin_search(self.vectors, query, k)
            assert [track_id for track_id, _ in answer] == [track_id for track_id, _ in expected]
            assert [value for _, value in answer] == pytest.approx([value for _, value in expected], abs=1e-12)

    @invariant()
    def holds_what_was_put_in(self):
        assert len(self.index) == len(self.vectors)
        assert all(track_id in self.index for track_id in self.vectors)
        assert np.array_equal(self.index.vectors([*self.vectors]), np.array([*self.vectors.values()]).reshape(-1, DIM))


TestIndexBesideADictionary = IndexBesideADictionary.TestCase
TestIndexBesideADictionary.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


def built(n=500, dim=40):
    return VectorIndex.build([f"{number:04}" for number in range(n)], np.stack([unit_vector(s, dim) for s in range(n)]))


def test_each_track_is_its_own_nearest():
    index = built()
    track_ids = [f"{number:04}" for number in range(len(index))]
    answers = index.search(index.vectors(track_ids), 1)
    assert [answer[0][0] for answer in answers] == track_ids
    assert all(answer[0][1] == pytest.approx(1, abs=1e-6) for answer in answers)


def test_an_answer_is_the_same_alone_and_in_a_batch():
    index = built()
    queries = np.stack([unit_vector(seed, 40) for seed in range(1000, 1064)])
    assert index.search(queries, 7) == [index.search(query[np.newaxis], 7)[0] for query in queries]


def test_a_short_answer_begins_the_long_one_even_where_many_are_equal():
    index = VectorIndex.build([f"{n:02}" for n in range(60)], np.tile(unit_vector(1), (60, 1)))
    long = index.search(unit_vector(1)[np.newaxis], 60)[0]
    assert [track_id for track_id, _ in long] == sorted(track_id for track_id, _ in long)
    assert index.search(unit_vector(1)[np.newaxis], 5)[0] == long[:5]


def test_a_vector_that_is_nearly_of_unit_length_never_gets_past_similarity_one():
    vector = unit_vector(3) * np.float32(1.0005)
    assert VectorIndex.build(["a"], vector[np.newaxis]).search(vector[np.newaxis], 1) == [[("a", 1.0)]]


def test_an_empty_index_answers_with_nothing():
    assert VectorIndex(DIM).search(unit_vector(0)[np.newaxis], 3) == [[]]
    assert len(VectorIndex.build([], np.empty((0, DIM), np.float32))) == 0


def test_searches_and_changes_may_come_from_many_threads():
    index = built(n=200)
    queries = index.vectors(["0007", "0011"])

    def search(_):
        return [answer[0][0] for answer in index.search(queries, 3)]

    def change(number):
        index.add([f"new{number}"], unit_vector(5000 + number, 40)[np.newaxis])
        index.remove([f"new{number}"])

    with ThreadPoolExecutor(8) as pool:
        changes = [pool.submit(change, number) for number in range(40)]
        answers = list(pool.map(search, range(80)))
        for each in changes:
            each.result()
    assert answers == [["0007", "0011"]] * 80
    assert len(index) == 200


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.ones((1, DIM), np.float32), "unit length, got 1.73"),
        (np.full((1, DIM), np.nan, np.float32), "unit length, got nan"),
        (np.ones((1, DIM + 1), np.float32) / 2, r"shape \(n, 3\), got \(1, 4\)"),
        (unit_vector(0), r"shape \(n, 3\), got \(3,\)"),
    ],
)
def test_what_is_no_vector_of_ours_is_refused_at_the_door(vectors, message):
    index = VectorIndex(DIM)
    with pytest.raises(ValueError, match=f"vectors must .*{message}"):
        index.add(["a"], vectors)
    with pytest.raises(ValueError, match=f"queries must .*{message}"):
        index.search(vectors, 1)
    assert len(index) == 0


def test_ids_and_vectors_must_be_as_many_and_each_id_stand_once():
    two = np.stack([unit_vector(0), unit_vector(1)])
    with pytest.raises(ValueError, match=r"as many as vectors \(2\), got 1"):
        VectorIndex.build(["a"], two)
    with pytest.raises(ValueError, match="each stand once"):
        VectorIndex.build(["a", "a"], two)


def test_numbers_below_one_are_refused():
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        VectorIndex(DIM).search(unit_vector(0)[np.newaxis], 0)
    with pytest.raises(ValueError, match="dim must be at least 1, got 0"):
        VectorIndex(0)
