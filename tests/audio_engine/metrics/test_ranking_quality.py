import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.metrics import ndcg_score, roc_auc_score

from audio_engine.metrics.auc import auc_by_row
from audio_engine.metrics.bootstrap import Estimate, mean_interval, user_weights
from audio_engine.metrics.lists import gini
from audio_engine.metrics.ranking_quality import cold_start_metrics, ranking_by_user, top_k, track_auc
from audio_engine.metrics.similarity_table import SimilarityTable

RNG = np.random.default_rng(0)
SIMILARITY = RNG.integers(0, 9, (40, 30)) / 9
FEEDBACK = RNG.choice([-1, 0, 1], (40, 30), p=[0.2, 0.6, 0.2]).astype(np.int8)
HEARD = (FEEDBACK != 0) | (RNG.random((40, 30)) < 0.2)


def metrics(
    similarity: NDArray[np.floating], feedback: NDArray[np.int8], heard: NDArray[np.bool_]
) -> dict[str, Estimate]:
    weights = user_weights(len(feedback), seed=0)
    table = SimilarityTable.of_array(similarity)
    return cold_start_metrics(table, csr_array(feedback), csr_array(heard), weights=weights)


def test_a_user_without_a_negative_has_no_auc_and_is_not_averaged() -> None:
    positive = np.array([[True, False], [True, False]])
    negative = np.array([[False, False], [False, True]])
    values = auc_by_row(np.array([[1.0, 2.0], [2.0, 1.0]]), positive, negative)
    assert np.isnan(values[0])
    assert mean_interval(values, user_weights(2, seed=0)).value == 1.0


def test_ranking_agrees_with_loops_and_with_scikit_learn() -> None:
    similarity, liked = RNG.random((20, 30)), FEEDBACK[:20] > 0
    found = ranking_by_user(top_k(similarity), liked)
    for i in range(20):
        best = sorted(range(30), key=lambda j: -similarity[i, j])[:10]
        hits = sum(liked[i, j] for j in best)
        assert found["precision@10"][i] == pytest.approx(hits / 10)
        assert found["recall@10"][i] == pytest.approx(hits / liked[i].sum())
    expected = ndcg_score(liked.astype(float), similarity, k=10)
    assert np.mean(found["ndcg@10"]) == pytest.approx(expected)


def test_the_truth_scores_one_and_its_opposite_nothing() -> None:
    truth = metrics(FEEDBACK.astype(float), FEEDBACK, FEEDBACK != 0)
    assert truth["auc_liked_rejected"].value == truth["track_auc"].value == truth["auc_liked_unobserved"].value == 1.0
    wrong = metrics(-FEEDBACK.astype(float), FEEDBACK, FEEDBACK != 0)
    assert wrong["auc_liked_rejected"].value == 0.0


def test_users_a_few_at_a_time_give_what_all_at_once_give(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = metrics(SIMILARITY, FEEDBACK, HEARD)
    monkeypatch.setattr("audio_engine.metrics.similarity_table.CELLS_TOGETHER", 7 * 30)
    assert metrics(SIMILARITY, FEEDBACK, HEARD) == whole
    liked, rejected = FEEDBACK > 0, FEEDBACK < 0
    expected = np.nanmean(auc_by_row(SIMILARITY, liked, rejected))
    assert whole["auc_liked_rejected"].value == pytest.approx(expected)
    assert whole["track_auc"].value == pytest.approx(np.nanmean(auc_by_row(SIMILARITY.T, liked.T, rejected.T)))


def test_some_tracks_of_a_table_are_those_columns() -> None:
    kept = np.arange(30) % 3 == 0
    vectors = RNG.random((40, 4)), RNG.random((30, 4))
    ((rows, block),) = SimilarityTable.of_vectors(*vectors).of_tracks(kept).blocks()
    assert rows == slice(0, 40)
    np.testing.assert_allclose(block, (vectors[0] @ vectors[1].T)[:, kept])


def test_the_auc_of_tracks_agrees_with_a_loop_and_resampling_everyone_once_gives_the_value() -> None:
    similarity = RNG.random((40, 30))
    cells = csr_array(FEEDBACK)
    found = track_auc(cells, similarity[cells.tocoo().coords], np.ones((2, 40), np.float32))
    expected = [
        roc_auc_score(FEEDBACK[told, j] > 0, similarity[told, j]) for j in range(30) for told in [FEEDBACK[:, j] != 0]
    ]
    assert found.value == pytest.approx(np.mean(expected))
    assert (found.low, found.high) == pytest.approx((found.value, found.value))


def test_a_draw_without_anybody_to_compare_is_left_out() -> None:
    cells = csr_array(np.array([[1, 0], [-1, 0], [0, 1]]))
    weights = np.array([[1, 1, 1], [3, 0, 0], [0, 0, 3]], np.float32)
    found = track_auc(cells, np.array([0.9, 0.1, 0.5]), weights)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_an_interval_of_a_mean_is_about_two_standard_errors_to_each_side() -> None:
    values = RNG.normal(size=900)
    found = mean_interval(values, user_weights(900, seed=1))
    assert found.low < found.value < found.high
    assert found.high - found.low == pytest.approx(4 / 30, rel=0.15)


def test_coverage_and_gini_tell_one_track_for_all_from_each_their_own() -> None:
    feedback, heard = np.zeros((10, 100), np.int8), np.zeros((10, 100), np.bool_)
    feedback[:, 0], feedback[:, 1], heard[:, :2] = 1, -1, True
    same = np.tile(np.arange(100.0), (10, 1))
    apart = np.eye(10).repeat(10, 1) + same / 1000
    assert metrics(same, feedback, heard)["coverage@10"].value == pytest.approx(0.1)
    assert metrics(apart, feedback, heard)["coverage@10"].value == pytest.approx(1.0)
    assert gini(np.ones(5)) == pytest.approx(0.0)


def test_tables_of_different_shape_and_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="the same shape"):
        metrics(SIMILARITY[:, 1:], FEEDBACK, HEARD)
    with pytest.raises(ValueError, match="1 cells"):
        broken = SIMILARITY.copy()
        broken[0, 0] = np.nan
        metrics(broken, FEEDBACK, HEARD)


@given(
    arrays(
        np.float32, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.sampled_from([-np.inf, 0, 0.5, 1])
    ),
    st.integers(1, 14),
)
def test_the_k_nearest_are_those_of_a_sort_of_all(similarity: NDArray[np.float32], k: int) -> None:
    slow = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(top_k(similarity, k), slow)
    unknown = np.where(np.isinf(similarity), np.nan, similarity)
    np.testing.assert_array_equal(top_k(unknown, k), slow)


def test_only_the_k_nearest_are_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    widths, sort = [], np.argsort

    def spied(values: NDArray[np.floating], **options: object) -> NDArray[np.int64]:
        widths.append(values.shape[1])
        return sort(values, **options)

    monkeypatch.setattr(np, "argsort", spied)
    assert top_k(RNG.normal(size=(20, 500)), 10).shape == (20, 10)
    assert widths == [10]
