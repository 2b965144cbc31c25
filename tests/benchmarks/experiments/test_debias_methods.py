"""Ways of removing popularity: what their negatives, losses and choices are, on logs worked by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from audio_engine.metrics.bootstrap import Estimate
from tests.benchmarks.experiments import debias_methods
from tests.benchmarks.experiments.debias_methods import Factors, choose, dice, pda, stratified
from tests.listening_world import write_rising_log


def test_stratified_negatives_are_as_popular_as_the_positive() -> None:
    popularity = np.arange(100)[::-1]
    draw = stratified(popularity, 1.0)
    others = draw(np.repeat(np.arange(100), 50), np.random.default_rng(0))
    assert (others // 10 == np.repeat(np.arange(100), 50) // 10).all()
    mixed = stratified(popularity, 0.0)(np.zeros(5_000, np.int64), np.random.default_rng(0))
    assert len(set(mixed.tolist())) == 100


@pytest.fixture
def model() -> Factors:
    """A user and two tracks with matches 1 and -2, and conformities 0.5 and 1."""
    model = Factors(1, 2, 1)
    with torch.no_grad():
        for table, values in zip(model.tables, ([[1.0]], [[1.0], [-2.0]], [[1.0]], [[0.5], [1.0]]), strict=True):
            table.weight.copy_(torch.tensor(values))
    return model


PAIR = (torch.tensor([0]), torch.tensor([0]), torch.tensor([1]), torch.tensor([1.0]))


def log_sigmoid(x: float) -> float:
    return float(-np.log1p(np.exp(-x)))


def test_the_loss_of_pda_is_the_papers_in_plain_numbers(model: Factors) -> None:
    found = pda(torch.tensor([0.25, 1.0]), 0.5)(model, *PAIR)
    better, worse = (1 + 1) * 0.25**0.5, np.exp(-2) * 1.0  # elu(x) + 1 is x + 1 above 0, and exp(x) below
    assert found.item() == pytest.approx(-log_sigmoid(better - worse), abs=1e-6)


@pytest.mark.parametrize("is_rarer", [True, False])
def test_the_loss_of_dice_is_the_papers_in_plain_numbers(model: Factors, is_rarer: bool) -> None:
    popularity = torch.tensor([0.1, 0.9] if is_rarer else [0.9, 0.1])
    interest, conformity = 3.0, -0.5
    expected = log_sigmoid(interest + conformity)
    expected += 0.1 * (log_sigmoid(interest) + log_sigmoid(-conformity) if is_rarer else log_sigmoid(conformity))
    assert dice(popularity)(model, *PAIR).item() == pytest.approx(-expected, abs=1e-6)


def test_of_values_at_an_equal_like_rate_the_best_for_rare_tracks_is_chosen() -> None:
    def metrics(like_rate: float, even: float) -> dict[str, Estimate]:
        values = {"like_rate@10": like_rate, "ndcg@10_even": even}
        return {name: Estimate(value=value, low=value, high=value) for name, value in values.items()}

    found = [
        ("plain factorisation", None, metrics(0.4, 0.03)),
        ("a", 1.0, metrics(0.41, 0.04)),
        ("a", 2.0, metrics(0.396, 0.05)),
        ("a", 3.0, metrics(0.39, 0.09)),
        ("b", 1.0, metrics(0.2, 0.09)),
        ("b", 2.0, metrics(0.3, 0.01)),
    ]
    assert choose(found) == {"plain factorisation": None, "a": 2.0, "b": 2.0}


def test_methods_are_compared_from_the_command_line(run_main, tmp_path: Path) -> None:
    write_rising_log(tmp_path)
    (tmp_path / "plays.parquet").rename(tmp_path / "plays_train.parquet")
    lines = run_main(debias_methods.main, "--world", tmp_path, "--seed", 0, "--json").objects
    assert {line["method"] for line in lines} >= {"plain factorisation", "MACR", "PDA", "DICE"}
    gains = [line for line in lines if line["method"] == "plain factorisation" and line["metric"].startswith("gain")]
    assert gains and all(line["value"] in {0.0, None} or np.isnan(line["value"]) for line in gains)
