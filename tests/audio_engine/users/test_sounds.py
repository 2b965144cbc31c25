"""Clusters of sound: found, named by typical genre words, and named otherwise where there are none."""

import numpy as np
import polars as pl

from audio_engine.users.sounds import learn_centres, name_sounds, nearest_centre, with_sounds

RNG = np.random.default_rng(0)
PLACES = np.eye(8)[[0] * 12 + [1] * 12 + [2] * 12]
VECTORS = PLACES + 0.05 * RNG.normal(size=PLACES.shape)
VECTORS = (VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)).astype(np.float32)
CLUSTER = np.repeat([0, 1, 2], 12)
CENTRES = np.eye(8, dtype=np.float32)[:3]


def names(genres: list[str | None], titles: list[str | None]) -> list[str]:
    return name_sounds(CLUSTER, genres=genres, titles=titles, vectors=VECTORS, centres=CENTRES)


def test_clusters_are_found_whatever_the_order() -> None:
    found = nearest_centre(VECTORS, learn_centres(VECTORS))
    assert len({*found[:12]} & {*found[12:24]}) == len({*found[:24]} & {*found[24:]}) == 0
    lengths = np.linalg.norm(learn_centres(VECTORS), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)


def test_a_cluster_is_named_by_words_that_are_frequent_here_and_rare_elsewhere() -> None:
    genres = ["Jazz"] * 8 + ["Pop"] * 4 + ["Metal"] * 9 + ["Pop"] * 3 + ["Pop"] * 12
    assert names(genres, [None] * 36) == ["Jazz", "Metal", "Pop"]


def test_without_words_a_cluster_is_named_by_its_most_central_track() -> None:
    titles = [f"Song {number}" for number in range(36)]
    found = names([None] * 36, list(titles))
    closest = [int(np.argmax(np.where(number == CLUSTER, VECTORS[:, number], -1))) for number in range(3)]
    assert found == [f"like “{titles[row]}”" for row in closest]
    assert names([None] * 36, [None] * 36) == ["sound 1", "sound 2", "sound 3"]


def test_no_two_clusters_have_one_name() -> None:
    genres = ["Folk"] * 12 + ["Folk"] * 12 + ["Jazz"] * 12
    assert len(set(names(genres, ["the same"] * 36))) == 3
    assert len(set(names(genres, [None] * 36))) == 3


def test_a_track_without_a_vector_has_no_sound() -> None:
    ids = [f"t{number}" for number in range(36)]
    facts = pl.DataFrame(
        {"track": [*ids, "new"], "title": None, "genre": None},
        schema_overrides={"title": pl.String, "genre": pl.String},
    )
    found = with_sounds(facts, ids, VECTORS, CENTRES)
    assert found["track"].to_list() == [*ids, "new"]
    assert found["sound"].n_unique() == 4
    assert found["sound"][-1] is None
    nothing = with_sounds(facts, [], np.zeros((0, 8), np.float32), np.zeros((0, 8), np.float32))
    assert nothing["sound"].is_null().all()
