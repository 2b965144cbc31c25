from audio_engine.metrics.bootstrap import Estimate
from audio_engine.metrics.results import Result, results_of, to_table

FOUND = {"auc": Estimate(value=0.5, low=0.25, high=0.75), "recall": Estimate(value=1.0, low=1.0, high=1.0)}


def test_a_result_is_a_flat_row_for_programs_and_a_cell_for_people() -> None:
    result = next(results_of(FOUND, method="chance", about={"seed": 3}))
    assert result.row() == {"method": "chance", "metric": "auc", "value": 0.5, "low": 0.25, "high": 0.75, "seed": 3}
    assert str(result) == "0.500 [0.250, 0.750]"
    assert str(Result(method="chance", metric="auc", value=0.5)) == "0.500"


def test_a_table_has_a_line_for_what_it_is_asked_by_and_leaves_blank_what_was_not_measured() -> None:
    results = [*results_of(FOUND, method="a", about={"split": "x"}), Result(method="b", metric="recall", value=0.0)]
    assert to_table(results, by=["method"]) == (
        ["auc", "recall"],
        [(["a"], ["0.500 [0.250, 0.750]", "1.000 [1.000, 1.000]"]), (["b"], ["", "0.000"])],
    )
    assert to_table(results[:1], by=["metric"], across="method")[0] == ["a"]


def test_seeds_that_share_a_place_are_averaged() -> None:
    others = {"auc": Estimate(value=0.7, low=0.35, high=0.95)}
    results = [*results_of(FOUND, method="a", about={"seed": 0}), *results_of(others, method="a", about={"seed": 1})]
    assert to_table(results, by=["method"])[1][0][1][0] == "0.600 [0.300, 0.850]"
