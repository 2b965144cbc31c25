"""Steered answers: seeds with weights, unliked seeds, chance, diversity, gaps between artists, minutes."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from audio_engine import Engine, Neighbour, Steering, TrackFilter, UnknownTrackError
from audio_engine.catalogue.tags import Tags
from audio_engine.catalogue.track import Track
from audio_engine.search.steering import UNLIKE, arrange, directions_of, minutes_of, unit_mean, varied
from tests.audio_engine.search.planted import N_CLUSTERS, N_EACH, change, clusters

N = N_CLUSTERS * N_EACH
VECTORS = clusters()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Sixty tracks around five centres, a minute to three long; five artists, each with twelve tracks in a row."""
    with Engine.open(tmp_path_factory.mktemp("planted") / "catalogue") as engine:
        changes = [change(f"{row:02}", vector, artist=f"artist {row % 5}") for row, vector in enumerate(VECTORS)]
        changes = [
            replace(each, tags=replace(each.tags, duration_s=60.0 + 30 * (row % 5))) for row, each in enumerate(changes)
        ]
        engine.catalogue.set_model(changes[0].model_id)
        engine.catalogue.write(changes)
        yield engine


def track_at(row: int) -> str:
    return f"/music/{row:02}.mp3"


def rows_of(neighbours: list[Neighbour]) -> list[int]:
    return [int(neighbour.track.path.stem) for neighbour in neighbours]


def artists_of(neighbours: list[Neighbour]) -> list[str]:
    return [neighbour.track.tags.artist for neighbour in neighbours]


def a_track(row: int, *, artist: str = "", duration_s: float | None = None) -> Track:
    tags = Tags(artist=artist, duration_s=duration_s)
    return Track(
        track_id=f"{row:03}", path=Path("/"), tags=tags, status="embedded", content_hash=None, file_size=1, mtime_ns=1
    )


# Seeds


def test_the_heavier_of_two_seeds_pulls_more() -> None:
    first, second = VECTORS[0], VECTORS[N_EACH]
    light, heavy = (unit_mean([first, second], np.array([1.0, weight])) for weight in (0.5, 2.0))
    assert heavy @ second > light @ second
    assert heavy @ first < light @ first
    assert np.linalg.norm(heavy) == pytest.approx(1, abs=1e-6)


def test_seeds_of_equal_weight_are_asked_about_by_their_mean(engine: Engine) -> None:
    seeds = [engine.search.seed_of(track_at(row)) for row in (0, N_EACH)]
    plain = engine.search.neighbours(seeds, 10)
    assert rows_of(engine.similar(track_at(0), like={track_at(N_EACH): 1})) == rows_of(plain)
    assert rows_of(engine.search.neighbours(seeds, 10, weights=[3, 3])) == rows_of(plain)


def test_an_unliked_seed_counts_as_the_formula_says_and_of_several_the_one_that_takes_off_most(engine: Engine) -> None:
    like, unlike = {track_at(1): 0.5}, {track_at(2): 1.0, track_at(N_EACH): 1.5}
    towards = unit_mean(VECTORS[:2], np.array([1.0, 0.5]))
    expected = {}
    for row in set(range(N)) - {0, 1, 2, N_EACH}:
        taken_off = [weight * max(0.0, float(VECTORS[at] @ VECTORS[row])) for at, weight in ((2, 1.0), (N_EACH, 1.5))]
        expected[row] = float(towards @ VECTORS[row]) - UNLIKE * max(taken_off)
    answer = engine.similar(track_at(0), k=20, like=like, unlike=unlike)
    assert rows_of(answer) == sorted(expected, key=lambda row: -expected[row])[:20]
    assert [each.similarity for each in answer] == pytest.approx(
        [float(towards @ VECTORS[row]) for row in rows_of(answer)], abs=1e-6
    )


def test_an_unliked_cluster_leaves_the_answer(engine: Engine) -> None:
    like = {track_at(N_EACH): 1}
    before = rows_of(engine.similar(track_at(0), k=12, like=like))
    after = rows_of(engine.similar(track_at(0), k=8, like=like, unlike={track_at(N_EACH + 1): 2}))
    second = set(range(N_EACH, 2 * N_EACH))
    assert second & set(before)
    assert not second & set(after)


def test_neither_seeds_nor_unliked_tracks_stand_in_the_answer(engine: Engine) -> None:
    rows = rows_of(engine.similar(track_at(0), k=N, like={track_at(1): 1}, unlike={track_at(2): 1}))
    assert sorted(rows) == list(range(3, N))


def test_not_the_same_artist_means_the_liked_ones(engine: Engine) -> None:
    answer = engine.similar(track_at(0), k=N, unlike={track_at(1): 1}, not_same_artist=True)
    assert set(artists_of(answer)) == {f"artist {n}" for n in (1, 2, 3, 4)}


def test_liked_seeds_that_cancel_out_leave_the_first(engine: Engine) -> None:
    opposite = np.stack([VECTORS[0], -VECTORS[0]])
    assert np.array_equal(directions_of(opposite, [1, 1])[0], VECTORS[0])


@pytest.mark.parametrize(
    ("weights", "message"),
    [([1.0], "weights must be as many as seeds"), ([1, 0], "finite and not 0"), ([-1, -1], "one above 0")],
)
def test_weights_that_do_not_fit_are_refused(engine: Engine, weights: list[float], message: str) -> None:
    seeds = [engine.search.seed_of(track_at(row)) for row in (0, 1)]
    with pytest.raises(ValueError, match=message):
        engine.search.neighbours(seeds, 3, weights=weights)


def test_what_is_wrong_is_named(engine: Engine) -> None:
    with pytest.raises(ValueError, match=r"weight of unlike '/music/01.mp3' must be above 0, at most 100, got -1"):
        engine.similar(track_at(0), unlike={track_at(1): -1})
    with pytest.raises(UnknownTrackError, match="nowhere"):
        engine.similar(track_at(0), like={"nowhere": 1})
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        engine.similar(track_at(0), k=0, steering=Steering(diverse=0.5))
    for wrong in ({"variation": math.nan}, {"diverse": -0.1}, {"artist_gap": -1}, {"minutes": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Steering(**wrong)


# Chance


def test_the_same_seed_gives_the_same_answer_another_another(engine: Engine) -> None:
    def asked(seed: int) -> list[int]:
        return rows_of(engine.similar(track_at(0), steering=Steering(variation=0.5, seed=seed)))

    assert asked(1) == asked(1)
    assert len({tuple(asked(seed)) for seed in range(5)}) == 5


def test_without_variation_the_answer_is_the_plain_one(engine: Engine) -> None:
    plain = engine.similar(track_at(0), 10)
    for steering in (Steering(variation=0, seed=9), Steering(minutes=1_440)):
        answer = engine.similar(track_at(0), 10, steering=steering)
        assert rows_of(answer) == rows_of(plain)
        assert [each.similarity for each in answer] == pytest.approx([each.similarity for each in plain], abs=1e-6)


def test_more_variation_keeps_less_of_the_plain_answer(engine: Engine) -> None:
    def kept(variation: float) -> float:
        shares = []
        for seed in range(20):
            answer = engine.similar(track_at(0), steering=Steering(variation=variation, seed=seed))
            shares.append(len(set(rows_of(answer)) & plain) / 10)
        return float(np.mean(shares))

    plain = set(rows_of(engine.similar(track_at(0))))
    assert kept(0.02) > kept(0.3) > kept(1)


def test_what_a_track_draws_does_not_depend_on_the_others() -> None:
    relevance, steering = np.array([0.9, 0.5, 0.1]), Steering(variation=1, seed=4)
    whole = varied(relevance, ["a", "b", "c"], steering) - relevance
    part = varied(relevance, ["c", "b", "a"], steering) - relevance
    assert whole == pytest.approx(part[::-1])


def test_chance_follows_the_gumbel_distribution() -> None:
    drawn = varied(np.tile([-1.0, 1.0], 10_000), [str(n) for n in range(20_000)], Steering(variation=1))
    drawn -= np.tile([-1.0, 1.0], 10_000)
    assert drawn.mean() == pytest.approx(np.euler_gamma, abs=0.03)
    assert drawn.std() == pytest.approx(math.pi / math.sqrt(6), abs=0.03)


# Diversity


def slow_mmr(vectors: NDArray[np.float32], relevance: NDArray[np.float64], k: int, diverse: float) -> list[int]:
    """Carbonell and Goldstein's equation, in plain loops."""
    chosen = [int(relevance.argmax())]
    while len(chosen) < k:
        gains = {
            row: (1 - diverse) * relevance[row] - diverse * max(float(vectors[row] @ vectors[at]) for at in chosen)
            for row in range(len(vectors))
            if row not in chosen
        }
        chosen.append(max(gains, key=gains.__getitem__))
    return chosen


@pytest.mark.parametrize("diverse", [0.0, 0.3, 0.7, 1.0])
def test_marginal_relevance_is_that_of_plain_loops(diverse: float) -> None:
    relevance = (VECTORS @ VECTORS[0]).astype(np.float64)
    tracks = [a_track(row) for row in range(N)]
    rows, is_short = arrange(tracks, VECTORS, relevance, k=12, steering=Steering(diverse=diverse))
    assert rows == slow_mmr(VECTORS, relevance, 12, diverse)
    assert not is_short


def test_a_diverse_answer_differs_more_within_and_is_less_similar(engine: Engine) -> None:
    def asked(diverse: float) -> tuple[float, float]:
        answer = engine.similar(track_at(0), k=6, steering=Steering(diverse=diverse))
        vectors = VECTORS[rows_of(answer)]
        return float((vectors @ vectors.T).mean()), float(np.mean([each.similarity for each in answer]))

    within, similarity = zip(*map(asked, (0, 0.4, 0.8)), strict=True)
    assert within[0] > within[1] > within[2]
    assert similarity[0] > similarity[1] > similarity[2]


# Artists


@pytest.mark.parametrize("gap", [1, 3, 4])
def test_no_artist_comes_again_within_the_gap(engine: Engine, gap: int) -> None:
    artists = artists_of(engine.similar(track_at(0), k=25, steering=Steering(artist_gap=gap)))
    assert len(artists) == 25
    for place, artist in enumerate(artists):
        assert artist not in artists[max(0, place - gap) : place]


def test_an_answer_ends_where_the_gap_cannot_be_kept(engine: Engine) -> None:
    assert len(engine.similar(track_at(0), k=25, steering=Steering(artist_gap=5))) == 5  # there are five artists
    answer = engine.similar(track_at(0), k=25, steering=Steering(artist_gap=2), max_per_artist=2)
    assert max(artists_of(answer).count(artist) for artist in artists_of(answer)) == 2
    assert len(answer) == 10


def test_unknown_artists_may_follow_each_other() -> None:
    tracks = [a_track(row) for row in range(5)]
    rows, _ = arrange(tracks, VECTORS[:5], np.arange(5.0), k=5, steering=Steering(artist_gap=3), max_per_artist=1)
    assert rows == [4, 3, 2, 1, 0]


def test_who_shares_one_of_several_artists_counts_as_the_same() -> None:
    tracks = [a_track(0, artist="Ann; Ben"), a_track(1, artist="ben"), a_track(2, artist="Cy")]
    rows, is_short = arrange(tracks, VECTORS[:3], np.array([3.0, 2.0, 1.0]), k=3, steering=Steering(artist_gap=1))
    assert (rows, is_short) == ([0, 2, 1], False)


def test_candidates_are_looked_for_further_away_until_the_places_are_filled(tmp_path: Path) -> None:
    with Engine.open(tmp_path) as engine:
        near = [change(f"{row:03}", vector, artist="Ann") for row, vector in enumerate(clusters(1, n_each=60)[:60])]
        far = [change(f"{row + 200}", vector, artist=f"Ben {row}") for row, vector in enumerate(-VECTORS)]
        engine.catalogue.set_model(near[0].model_id)
        engine.catalogue.write([*near, *far])
        answer = engine.similar("/music/000.mp3", 5, steering=Steering(artist_gap=5))
    assert [artist[:3] for artist in artists_of(answer)] == ["Ann", "Ben", "Ben", "Ben", "Ben"]


# Minutes


@pytest.mark.parametrize("minutes", [5, 17, 45.5])
def test_a_playlist_is_as_long_as_asked_for_at_most_and_nearly(engine: Engine, minutes: float) -> None:
    answer = engine.similar(track_at(0), steering=Steering(minutes=minutes))
    total = minutes_of([each.track for each in answer])
    assert minutes - 1 < total <= minutes  # the shortest track has a minute
    assert answer[0].similarity == max(each.similarity for each in answer)


def test_k_bounds_a_playlist_of_minutes(engine: Engine) -> None:
    assert len(engine.similar(track_at(0), 3, steering=Steering(minutes=600))) == 3
    assert len(engine.similar(track_at(0), steering=Steering(minutes=600))) == N - 1


def test_what_does_not_fit_is_passed_over_and_unknown_lengths_are_left_out() -> None:
    lengths_s = [100.0, None, 90.0, 20.0, 5.0]
    tracks = [a_track(row, duration_s=length_s) for row, length_s in enumerate(lengths_s)]
    relevance = np.arange(5.0, 0, -1)
    rows, is_short = arrange(tracks, VECTORS[:5], relevance, k=9, steering=Steering(minutes=125 / 60))
    assert (rows, is_short) == ([0, 3, 4], False)
    assert arrange(tracks[:2], VECTORS[:2], relevance[:2], k=9, steering=Steering(minutes=10)) == ([0], True)
    assert arrange(tracks[:1], VECTORS[:1], relevance[:1], k=9, steering=Steering(minutes=1)) == ([], True)


@pytest.mark.parametrize(
    ("steering", "k", "n", "is_filled"),
    [
        (Steering(), None, 10, True),
        (Steering(), None, 9, False),
        (Steering(minutes=10), None, 9, True),
        (Steering(minutes=10), None, 8, False),
        (Steering(minutes=10), 8, 8, True),
    ],
)
def test_an_answer_is_filled_by_places_or_minutes(steering: Steering, k: int | None, n: int, is_filled: bool) -> None:
    assert steering.is_filled_by([a_track(row, duration_s=60.0) for row in range(n)], k) is is_filled


# Together


def test_everything_composes_with_filters(engine: Engine) -> None:
    answer = engine.similar(
        track_at(0),
        like={track_at(1): 0.5},
        unlike={track_at(N_EACH): 1},
        steering=Steering(variation=0.3, seed=2, diverse=0.3, artist_gap=2, minutes=15),
        where=TrackFilter(not_artist="artist 4", max_duration_s=120),
        max_per_artist=3,
    )
    artists = artists_of(answer)
    assert "artist 4" not in artists
    assert max(map(artists.count, artists)) <= 3
    assert all(artist not in artists[max(0, place - 2) : place] for place, artist in enumerate(artists))
    assert 10 < minutes_of([each.track for each in answer]) <= 15
    assert [each.rank for each in answer] == list(range(1, len(answer) + 1))


def test_copies_share_a_place_in_a_steered_answer(tmp_path: Path) -> None:
    with Engine.open(tmp_path) as engine:
        changes = [change(f"{row:02}", vector) for row, vector in enumerate(VECTORS)]
        again = [replace(each, path=Path(f"/music/copy of {each.path.name}")) for each in changes[:4]]
        engine.catalogue.set_model(changes[0].model_id)
        engine.catalogue.write([*changes, *again])
        answer = engine.similar(track_at(0), N, unlike={track_at(1): 1}, steering=Steering(variation=0.5))
    stems = [each.track.path.stem for each in answer]
    assert {"00", "01", "copy of 00", "copy of 01"}.isdisjoint(stems)
    assert len(stems) == N - 2
    assert sorted(len(each.copies) for each in answer)[-2:] == [1, 1]
