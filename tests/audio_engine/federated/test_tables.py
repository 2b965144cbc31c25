"""Tables of both parties: what is read as a category, what is unknown, what is refused."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from audio_engine.federated.tables import read_demographics, read_features


def test_a_day_of_joining_is_no_category(tmp_path: Path) -> None:
    table = {"user": [f"u{row}" for row in range(150)], "age": [1, 2, 3] * 50, "joined_day": range(150)}
    pl.DataFrame(table).write_parquet(tmp_path / "users.parquet")
    read = read_demographics(tmp_path / "users.parquet")
    assert dict(read.values) == {"age": ["1", "2", "3"]}
    assert read.n_values == (4,)
    assert read.codes[:4, 0].tolist() == [1, 2, 3, 1]


def test_values_keep_their_codes_in_another_table(tmp_path: Path) -> None:
    new = pl.DataFrame({"user": [7, 8, 9, 9], "age": ["3", "40", None, "1"]})  # 40 was never seen; 9 is there twice
    new.write_parquet(tmp_path / "new.parquet")
    read = read_demographics(tmp_path / "new.parquet", {"age": ["1", "2", "3"], "region": ["north"]})
    assert read.users == ["7", "8", "9"]
    assert read.codes.tolist() == [[3, 0], [0, 0], [0, 0]]


def test_no_table_is_no_users_with_the_same_columns() -> None:
    assert read_demographics(None, {"age": ["1"]}).codes.shape == (0, 1)


def test_features_are_numbers_or_missing(tmp_path: Path) -> None:
    file = tmp_path / "features.parquet"
    pl.DataFrame({"user": ["a", "b"], "f": [1, None], "g": [True, False]}).write_parquet(file)
    read = read_features(file)
    np.testing.assert_array_equal(read.values, np.array([[1, 1], [np.nan, 0]], np.float32))
    assert read.columns == ("f", "g")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"who": ["a"], "f": [1.0]}, "must have a column 'user', got who, f"),
        ({"user": ["a"]}, "must have columns of features beside 'user', got none"),
        ({"user": ["a"], "f": ["x"]}, "column 'f' of features.parquet must hold numbers, got String"),
        ({"user": ["a"], "f": [np.inf]}, "must hold finite numbers, got 1 that are not"),
    ],
)
def test_other_tables_are_refused(table: dict[str, list[object]], message: str, tmp_path: Path) -> None:
    pl.DataFrame(table).write_parquet(tmp_path / "features.parquet")
    with pytest.raises(ValueError, match=message):
        read_features(tmp_path / "features.parquet")
