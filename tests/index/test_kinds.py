"""Random changes and searches against a dictionary, for every kind; recall; the choice of kind."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from index import building, inverted, tuning
from index.recall import RecallError
from index.vector_index import VectorIndex
from tests.index.twin import clustered, names, twin_search

POOL = clustered(240)
IDS = names(len(POOL))
N_START = 120
NUMBERS = st.integers(0, len(POOL) - 1)
SOME = st.sets(NUMBERS, max_size=12)


class AnyKindBesideADictionary(RuleBasedStateMachine):
    """Half of the pool is built in; then tracks come and go, and the index is saved, loaded, searched and filtered."""

    kind = "exact"
    tolerance = 1e-12  # of a similarity
    floor = 1.0  # of the true neighbours, over all searches of a run

    @initialize()
    def build(self):
        self.index = VectorIndex.build(IDS[:N_START], POOL[:N_START], kind=self.kind, recall=0.9)
        self.vectors = dict(zip(IDS[:N_START], POOL[:N_START], strict=True))
        self.n_true = self.n_found = 0

    @rule(numbers=SOME)
    def add(self, numbers):
        new = [n for n in sorted(numbers) if IDS[n] not in self.vectors]
        self.index.add([IDS[n] for n in new], POOL[new])
        self.vectors |= {IDS[n]: POOL[n] for n in new}

    @rule(numbers=SOME)
    def remove(self, numbers):
        gone = [IDS[n] for n in numbers if IDS[n] in self.vectors]
        self.index.remove(gone)
        for track_id in gone:
            del self.vectors[track_id]

    @rule(gone=SOME, numbers=SOME)
    def update(self, gone, numbers):
        gone = gone - numbers
        moved = {n: POOL[(n + 1) % len(POOL)] for n in numbers}  # known tracks get another vector
        self.index.update([IDS[n] for n in gone], [IDS[n] for n in moved], np.stack([*moved.values(), POOL[0]])[:-1])
        for n in gone:
            self.vectors.pop(IDS[n], None)
        self.vectors |= {IDS[n]: vector for n, vector in moved.items()}

    @rule()
    def save_and_load(self):
        with tempfile.TemporaryDirectory() as folder:
            self.index.save(Path(folder) / "index")
            self.index = VectorIndex.load(Path(folder) / "index")

    @rule(number=NUMBERS, k=st.integers(1, 12))
    def search(self, number, k):
        self._check(POOL[number], k, self.index.search(POOL[[number]], k)[0], self.vectors)

    @rule(number=NUMBERS, k=st.integers(1, 12), numbers=st.sets(NUMBERS, max_size=240), how=st.integers(0, 2))
    def search_among(self, number, k, numbers, how):
        wanted = {IDS[n] for n in numbers}
        allowed_ids = wanted if how == 0 else self.index.subset(wanted)
        if how == 2:
            allowed_ids = np.array([track_id in wanted for track_id in self.index.track_ids()], dtype=np.bool_)
        let_through = {track_id: vector for track_id, vector in self.vectors.items() if track_id in wanted}
        self._check(POOL[number], k, self.index.search(POOL[[number]], k, allowed_ids=allowed_ids)[0], let_through)

    def _check(self, query, k, answer, vectors):
        expected = twin_search(vectors, query, k)
        found = dict(answer)
        assert found.keys() <= vectors.keys()
        assert len(found) == len(answer) == len(expected)
        assert [value for _, value in answer] == sorted(found.values(), reverse=True)
        for track_id, value in answer:
            true = min(1.0, float(vectors[track_id].astype(np.float64) @ query))
            assert value == pytest.approx(true, abs=self.tolerance)
        if self.floor == 1:
            assert [track_id for track_id, _ in answer] == [track_id for track_id, _ in expected]
        self.n_true += len(expected)
        self.n_found += len(found.keys() & dict(expected).keys())

    @invariant()
    def holds_what_was_put_in(self):
        assert len(self.index) == len(self.vectors) == self.index.describe().n_tracks
        held = self.index.vectors([*self.vectors])
        assert held == pytest.approx(np.array([*self.vectors.values()]).reshape(-1, 16), abs=self.tolerance)

    def teardown(self):
        if self.n_true >= 100:
            assert self.n_found >= self.floor * self.n_true


class InvertedBesideADictionary(AnyKindBesideADictionary):
    kind, tolerance, floor = "inverted", 1e-12, 0.7


class CompressedBesideADictionary(AnyKindBesideADictionary):
    kind, tolerance, floor = "compressed", 1e-3, 0.7


class SettlingBesideADictionary(InvertedBesideADictionary):
    """Brings its lists up to date with what is kept beside them after every few changes."""

    def __init__(self):
        super().__init__()
        self._least, inverted.LEAST_BESIDE = inverted.LEAST_BESIDE, 15

    def teardown(self):
        inverted.LEAST_BESIDE = self._least
        super().teardown()


class FourBitsBesideADictionary(SettlingBesideADictionary):
    """Compares 4-bit codes, which large catalogues have in their lists."""

    def __init__(self):
        super().__init__()
        self._from, building.FOUR_BITS_FROM = building.FOUR_BITS_FROM, 1

    def teardown(self):
        building.FOUR_BITS_FROM = self._from
        super().teardown()


TestExact = AnyKindBesideADictionary.TestCase
TestSettling = SettlingBesideADictionary.TestCase
TestInverted = InvertedBesideADictionary.TestCase
TestFourBits = FourBitsBesideADictionary.TestCase
TestCompressed = CompressedBesideADictionary.TestCase
for case in (TestExact, TestInverted, TestFourBits, TestCompressed, TestSettling):
    case.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)


@pytest.fixture(scope="module")
def vectors():
    return clustered(20_000, n_clusters=300)


@pytest.fixture
def four_bits(monkeypatch):
    monkeypatch.setattr(building, "FOUR_BITS_FROM", 1)


@pytest.mark.parametrize(("kind", "four_bits_from"), [("inverted", 1), ("inverted", 1_000_000), ("compressed", 1)])
def test_what_it_says_of_its_recall_holds_for_other_queries(vectors, kind, four_bits_from, monkeypatch):
    monkeypatch.setattr(building, "FOUR_BITS_FROM", four_bits_from)
    index = VectorIndex.build(names(len(vectors)), vectors, kind=kind, recall=0.95)
    made = index.describe()
    assert made.index_recall >= 0.95
    assert 1 <= made.n_probe < made.n_lists
    assert index.measure_recall(seed=5) >= 0.93
    exact = VectorIndex.build(names(len(vectors)), vectors, kind="exact")
    queries = clustered(200, n_clusters=300, seed=7)
    pairs = zip(index.search(queries, 10), exact.search(queries, 10), strict=True)
    assert np.mean([len({t for t, _ in a} & {t for t, _ in b}) / 10 for a, b in pairs]) >= 0.93


def test_a_saved_index_that_few_changes_came_to_is_not_copied_and_finds_them_all(vectors, tmp_path):
    ids = names(len(vectors))
    VectorIndex.build(ids[:-50], vectors[:-50], kind="inverted").save(tmp_path / "index")
    index = VectorIndex.load(tmp_path / "index")
    index.update(ids[:20], ids[-50:], vectors[-50:])
    assert index._tracks.store.is_mapped
    assert [hits[0][0] for hits in index.search(vectors[-50:], 1)] == ids[-50:]
    assert not {track_id for hits in index.search(vectors[:20], 30) for track_id, _ in hits} & set(ids[:20])
    half = index.subset(ids[::2])
    assert [hits[0][0] for hits in index.search(vectors[-50::2], 1, half)] == ids[-50::2]
    assert index.measure_recall() >= 0.98


@pytest.mark.usefixtures("four_bits")
def test_lists_of_4_bit_codes_answer_alone_as_in_a_batch_and_find_as_many_as_there_are(vectors):
    ids = names(3000)
    index = VectorIndex.build(ids, vectors[:3000], kind="inverted")
    assert index._tracks.store.n_bits == 4
    queries = clustered(64, n_clusters=300, seed=7)
    assert index.search(queries, 7) == [index.search(query[np.newaxis], 7)[0] for query in queries]
    assert sorted(track_id for track_id, _ in index.search(queries[:1], 3000)[0]) == ids
    half = index.subset(ids[::2])
    assert sorted(track_id for track_id, _ in index.search(queries[:1], 3000, half)[0]) == ids[::2]


@pytest.mark.usefixtures("four_bits")
def test_where_4_bits_tell_too_little_the_lists_have_16(vectors, monkeypatch):
    monkeypatch.setattr(tuning, "MOST_RANKED", 1)
    index = VectorIndex.build(names(3000), vectors[:3000], kind="inverted")
    made = index.describe()
    assert made.n_ranked == 1
    assert made.index_recall >= 0.99
    assert index.measure_recall(seed=5) >= 0.98


def test_a_build_under_the_asked_recall_fails_loudly(vectors):
    with pytest.raises(RecallError, match=r"index_recall must be at least 0.99, got 0\.\d+ at n_probe 1"):
        VectorIndex.build(names(len(vectors)), vectors, kind="inverted", n_probe=1)


def test_an_exact_index_says_that_it_misses_nothing(vectors):
    index = VectorIndex.build(names(500), vectors[:500])
    assert (index.describe().kind, index.describe().index_recall) == ("exact", 1.0)
    assert index.measure_recall() == 1.0


@pytest.fixture(scope="module", params=["compressed", "inverted"])
def tuned(request, vectors):
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(building, "FOUR_BITS_FROM", 1)
        return VectorIndex.build(names(len(vectors)), vectors, kind=request.param, recall=0.95)


@pytest.mark.parametrize("share", [0.0005, 0.01, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("lies", ["anywhere", "in one place"])
def test_a_filter_keeps_the_recall_at_any_selectivity_and_wherever_it_lies(vectors, tuned, share, lies):
    ids, index = names(len(vectors)), tuned
    n = round(share * len(vectors))
    if lies == "anywhere":
        rows = np.random.default_rng(3).choice(len(vectors), n, replace=False)
    else:
        rows = np.argsort(vectors @ vectors[0])[-n:]
    subset = index.subset([ids[row] for row in rows])
    queries = clustered(100, n_clusters=300, seed=11)
    exact = VectorIndex.build([ids[row] for row in rows], vectors[rows], kind="exact").search(queries, 10)
    found = index.search(queries, 10, allowed_ids=subset)
    shares = [len({t for t, _ in a} & {t for t, _ in b}) / len(b) for a, b in zip(found, exact, strict=True)]
    assert np.mean(shares) >= 0.95


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "hnsw"}, "kind must be one of exact, inverted, compressed, got 'hnsw'"),
        ({"recall": 0.0}, "recall must be above 0 and at most 1, got 0.0"),
        ({"kind": "inverted", "n_lists": 501}, "n_lists must be between 1 and 500, got 501"),
        ({"kind": "inverted", "n_lists": 4, "n_probe": 5}, "n_probe must be between 1 and 4, got 5"),
    ],
)
def test_a_build_that_cannot_be_is_refused(vectors, options, message):
    with pytest.raises(ValueError, match=message):
        VectorIndex.build(names(500), vectors[:500], **options)


def test_a_filter_that_is_none_is_refused(vectors):
    index = VectorIndex.build(names(500), vectors[:500])
    with pytest.raises(ValueError, match="allowed_ids must be a collection of track ids, got the text '000001'"):
        index.search(vectors[:1], 3, allowed_ids="000001")
    with pytest.raises(ValueError, match=r"allowed_ids must be 500 booleans, got bool of shape \(3,\)"):
        index.search(vectors[:1], 3, allowed_ids=np.ones(3, dtype=np.bool_))
    with pytest.raises(ValueError, match="track_id must be a text without NUL characters"):
        index.add(["a\0"], vectors[:1])
    assert "000001\0" not in index


def test_copies_past_any_number_do_not_lower_the_recall():
    copies = np.tile(clustered(50), (40, 1))
    index = VectorIndex.build(names(2000), copies, kind="inverted", recall=0.95)
    assert index.describe().index_recall >= 0.95
