import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from audio_engine.metrics import retrieval

HITS = arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 9)))


def precision_in_loops(row, k):
    return sum(1 for place, hit in enumerate(row) if hit and place < k) / k


def average_precision_in_loops(row):
    precisions = [sum(row[: place + 1]) / (place + 1) for place, hit in enumerate(row) if hit]
    return sum(precisions) / len(precisions) if precisions else 0.0


@given(hits=HITS, k=st.integers(1, 9))
def test_the_measures_agree_with_plain_loops(hits, k):
    rows = hits.tolist()
    assert retrieval.precision_at_k(hits, k) == pytest.approx([precision_in_loops(row, k) for row in rows])
    assert retrieval.average_precision(hits) == pytest.approx([average_precision_in_loops(row) for row in rows])
    recall = [sum(row[:k]) / sum(row) if any(row) else 0.0 for row in rows]
    assert retrieval.recall_at_k(hits, k) == pytest.approx(recall)


def test_a_query_with_nothing_relevant_scores_nothing_and_counts():
    hits = np.array([[True, True], [False, False]])
    assert retrieval.precision_at_k(hits, 2).tolist() == [1, 0]
    assert retrieval.average_precision(hits).tolist() == [1, 0]
    assert retrieval.recall_at_k(hits, 2).tolist() == [1, 0]


def test_what_chance_scores_is_what_shuffled_rankings_score():
    rng = np.random.default_rng(0)
    hits = np.array([[True] * 3 + [False] * 9, [True] + [False] * 11, [False] * 12])
    shuffled = [retrieval.average_precision(rng.permuted(hits, axis=1)) for _ in range(20_000)]
    assert retrieval.chance_average_precision(hits) == pytest.approx(np.mean(shuffled, axis=0), abs=0.01)


def test_a_single_candidate_leaves_nothing_to_chance():
    assert retrieval.chance_average_precision(np.array([[True]])).tolist() == [1]


def test_others_are_ranked_by_cosine_and_nobody_by_length():
    vectors = np.array([[1, 0], [100, 90], [0.1, 0.01], [-1, 0]])
    assert retrieval.rank_others(vectors)[0].tolist() == [2, 1, 3]


def test_equal_similarities_stand_in_their_own_order():
    assert retrieval.rank(np.array([[0.5, 0.9, 0.5, 0.9]])).tolist() == [[1, 3, 0, 2]]


def test_a_track_that_all_name_is_a_hub_and_one_that_none_names_an_anti_hub():
    ranking = np.array([[1, 2], [0, 2], [1, 0]])
    assert retrieval.k_occurrence(ranking, 1).tolist() == [1, 2, 0]
    assert retrieval.k_occurrence(ranking, 2).tolist() == [2, 2, 2]


def test_skewness_agrees_with_scipy_and_is_zero_for_equal_values():
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(0).poisson(3, 200)
    assert retrieval.skewness(values) == pytest.approx(float(stats.skew(values)))
    assert retrieval.skewness(np.array([10, 10, 10])) == 0
