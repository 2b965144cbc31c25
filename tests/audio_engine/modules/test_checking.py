"""Off-policy estimates against a page worked by hand, and against the truth of simulated pages."""

import numpy as np
import polars as pl
import pytest

from audio_engine.modules import ModulePolicy
from audio_engine.modules.checking import check_plan
from audio_engine.modules.pages import Pages, pages_of

POLICY = ModulePolicy(slots=(1,))
PLAN = pl.DataFrame({"user": ["a"], "slot": [1], "kind": ["y"]})


def model(x: float, y: float) -> Pages:
    rows = {"user": ["a", "a"], "kind": ["x", "y"], "consumption": [x, y], "value": [0.0, 0.0]}
    return pages_of(pl.DataFrame(rows), n_slots=1)


def logged(kinds: str, propensity: list[float], consumed: list[float]) -> pl.DataFrame:
    n = len(kinds)
    columns = {"user": ["a"] * n, "page": range(n), "slot": [1] * n, "kind": list(kinds)}
    return pl.DataFrame(columns | {"propensity": propensity, "consumed": consumed})


def test_estimates_equal_those_worked_by_hand():
    """Weights 0, 4, 0: IPS 16 / 3, SNIPS 16 / 4, doubly robust (3 + (3 + 4·(4 − 3)) + 3) / 3."""
    found = check_plan(PLAN, logged("xyx", [0.75, 0.25, 0.75], [2, 4, 2]), pages=model(1, 3), policy=POLICY)
    assert found.logged.value == pytest.approx(8 / 3)
    assert found.ips.value == pytest.approx(16 / 3)
    assert found.snips.value == pytest.approx(4)
    assert found.doubly_robust.value == pytest.approx(13 / 3)
    assert found.model.value == pytest.approx(3)
    assert found.mean_weight == pytest.approx(4 / 3)
    assert found.effective_rows == pytest.approx(1)
    assert (found.n_users, found.n_pages) == (1, 3)


def test_a_plan_that_is_the_logging_policy_earns_what_was_logged():
    found = check_plan(PLAN, logged("yyy", [1, 1, 1], [2, 4, 3]), pages=model(1, 9), policy=POLICY)
    for estimate in (found.logged, found.ips, found.snips, found.doubly_robust):
        assert estimate.value == pytest.approx(3)


def test_doubly_robust_is_right_under_a_wrong_model_and_narrower_under_a_right_one():
    """y earns 5 and x 1; the log shows y with chance 0.2, to 400 users."""
    rng = np.random.default_rng(1)
    users = [f"u{n}" for n in range(400)]
    kinds = rng.choice(["x", "y"], size=400, p=[0.8, 0.2])
    consumed = np.where(kinds == "y", 5.0, 1.0) + rng.normal(0, 0.1, 400)
    chance = np.where(kinds == "y", 0.2, 0.8)
    columns = {"user": users, "slot": [1] * 400, "kind": kinds, "propensity": chance, "consumed": consumed}
    plan = pl.DataFrame({"user": users, "slot": [1] * 400, "kind": ["y"] * 400})
    found = {}
    for name, y in (("right", 5.0), ("wrong", 2.0)):
        rows = [
            {"user": user, "kind": k, "consumption": c, "value": 0.0}
            for user in users
            for k, c in zip("xy", (1.0, y), strict=True)
        ]
        pages = pages_of(pl.DataFrame(rows), n_slots=1)
        found[name] = check_plan(plan, pl.DataFrame(columns), pages=pages, policy=POLICY)
        assert found[name].ips.value == pytest.approx(5, abs=1.2)
        assert found[name].doubly_robust.value == pytest.approx(5, abs=1.2)
        assert abs(found[name].model.value - y) < 1e-9
    right = found["right"]
    assert right.doubly_robust.value == pytest.approx(5, abs=0.1)
    assert right.doubly_robust.high - right.doubly_robust.low < 0.2 * (right.ips.high - right.ips.low)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"propensity": [0.0]}, "propensity must be above 0 and at most 1, got 0.0"),
        ({"propensity": ["rare"]}, "must be numbers"),
        ({"user": ["z"]}, "must have rows of users and slots of the plan"),
        ({"consumed": [float("nan")]}, "consumed must be finite"),
    ],
)
def test_a_log_without_meaning_is_refused(change: dict[str, list[object]], words: str):
    log = logged("y", [0.5], [1]).with_columns(**{name: pl.Series(values) for name, values in change.items()})
    with pytest.raises(ValueError, match=words):
        check_plan(PLAN, log, pages=model(1, 1), policy=POLICY)
    with pytest.raises(ValueError, match="got no consumed"):
        check_plan(PLAN, log.drop("consumed"), pages=model(1, 1), policy=POLICY)
