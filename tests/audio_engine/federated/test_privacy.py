"""The accountant, against the Gaussian mechanism's known curve."""

import math

import pytest

from audio_engine.federated.privacy import epsilon, n_crossings
from metric_learning.federated.recipe import FederatedTraining

pytest.importorskip("opacus")


def test_more_noise_costs_less_and_more_rows_cost_more() -> None:
    assert epsilon(4.0, n_rows=10) < epsilon(2.0, n_rows=10) < epsilon(2.0, n_rows=40)
    assert epsilon(0.0, n_rows=1) == math.inf


def test_epsilon_is_that_of_the_composed_gaussian_mechanism() -> None:
    # n rows of sensitivity 2 and deviation s: Rényi divergence of order a is 2 n a / s²; its best tail bound over a
    n_rows, noise, delta = 9, 12.0, 1e-5
    rho = 2 * n_rows / noise**2
    by_hand = rho + 2 * math.sqrt(rho * math.log(1 / delta))  # zCDP to (epsilon, delta): Bun, Steinke 2016
    assert epsilon(noise, n_rows=n_rows, delta=delta) <= by_hand
    assert epsilon(noise, n_rows=n_rows, delta=delta) == pytest.approx(by_hand, rel=0.15)


def test_a_user_crosses_once_a_pass() -> None:
    assert n_crossings(FederatedTraining(n_steps=100, batch_size=50), n_users=500) == 10
    assert n_crossings(FederatedTraining(n_steps=7, batch_size=512), n_users=100) == 7
