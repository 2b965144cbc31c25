"""Demographic columns: categories and binned numbers, numbered alike in every table."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from audio_engine.plays.demographics import N_BINS, fit_columns, numbers_of

N = 400
RNG = np.random.default_rng(0)
USERS = pl.DataFrame(
    {
        "user": [f"u{i}" for i in range(N)],
        "age_band": RNG.integers(0, 6, N),
        "joined_day": RNG.integers(-600, 150, N),
        "income": RNG.lognormal(sigma=2, size=N),
        "city": RNG.choice(["Łódź", "Oslo", "Rome"], N),
        "email": [f"u{i}@example.org" for i in range(N)],
        "birthday": [date(1960, 1, 1) + timedelta(days=int(day)) for day in RNG.integers(0, 18_000, N)],
    }
)
COLUMNS = fit_columns(USERS)
NUMBERS = dict(zip((column.name for column in COLUMNS), numbers_of(USERS, COLUMNS).T, strict=True))


def test_a_number_of_many_values_is_cut_into_bins_of_about_as_many_users() -> None:
    for name in ("joined_day", "income", "birthday"):
        sizes = np.bincount(NUMBERS[name])
        assert (sizes[0], len(sizes)) == (0, N_BINS + 1)
        assert sizes[1:].min() > 0.7 * N / N_BINS
        order = np.argsort(USERS[name].to_physical().to_numpy(), kind="stable")
        assert (np.diff(NUMBERS[name][order]) >= 0).all()


def test_a_number_of_few_values_and_words_are_categories() -> None:
    assert {column.name: column.values for column in COLUMNS if column.values} == {
        "age_band": tuple("012345"),
        "city": ("Oslo", "Rome", "Łódź"),
    }
    assert (NUMBERS["age_band"] == USERS["age_band"].to_numpy() + 1).all()


def test_a_number_that_differs_between_few_users_is_cut_too() -> None:
    few = pl.DataFrame({"user": list("abcdefgh"), "joined_day": range(8)})
    numbers = numbers_of(few, fit_columns(few))[:, 0]
    assert numbers.min() == 1
    assert (np.diff(numbers) > 0).all()


def test_what_one_user_alone_has_says_nothing() -> None:
    assert not NUMBERS["email"].any()


def test_a_value_has_one_number_whatever_table_it_stands_in() -> None:
    others = USERS.filter(pl.col("age_band") > 2).with_columns(pl.col("age_band").cast(pl.Float64)).reverse()
    expected = dict(zip(USERS["user"], numbers_of(USERS, COLUMNS).tolist(), strict=True))
    assert numbers_of(others, COLUMNS).tolist() == [expected[user] for user in others["user"]]


def test_a_new_user_may_lie_beyond_what_was_seen_and_may_lack_everything() -> None:
    new = pl.DataFrame(
        {
            "user": ["early", "late", "unknown"],
            "age_band": [99, None, None],
            "joined_day": [-9_000.0, 9_000.0, float("nan")],
            "income": ["much", "1e9", None],
            "city": ["Atlantis", "Rome", None],
            "email": [None, None, None],
            "birthday": [date(1900, 1, 1), date(2020, 1, 1), None],
        }
    )
    assert numbers_of(new, COLUMNS).tolist() == [
        [0, 1, 0, 0, 0, 1],
        [0, N_BINS, N_BINS, 2, 0, N_BINS],
        [0] * 6,
    ]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ValueError, match="users must have a column 'income', got user, age_band"):
        numbers_of(USERS.drop("income"), COLUMNS)
