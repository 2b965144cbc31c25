"""Several interests of a user: how they are found and take turns, alone, for all users and from the command line."""

import json
import math
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import csr_array

from audio_engine import Engine, Play
from audio_engine.metrics.lists import diversity
from audio_engine.recall import block_search
from audio_engine.recall.block_search import recall_varied
from audio_engine.recall.candidates import Candidates
from audio_engine.recall.interests import (
    MIN_SPLIT,
    N_LIKED,
    find_interests,
    n_interests,
    places_of,
    queries_of,
    shares_of,
)
from audio_engine.search import steering
from tests.audio_engine.search.planted import N_EACH, change, clusters
from tests.benchmarks.interests import n_tastes
from tests.command_line import Run

VECTORS = clusters()


def rows_of(cluster, n=N_EACH):
    return list(range(cluster * N_EACH, cluster * N_EACH + n))


# Finding


def test_likes_of_two_places_are_two_interests_and_of_one_place_one():
    weights = np.ones(16, np.float32)
    weights[:8] = 0.5
    found = find_interests(VECTORS[[*rows_of(0, 8), *rows_of(1, 8)]], weights)
    assert [each.rows.tolist() for each in found] == [[*range(8, 16)], [*range(8)]]  # the heavier first
    assert [each.share for each in found] == pytest.approx([2 / 3, 1 / 3])
    assert len(find_interests(VECTORS[rows_of(2)], np.ones(N_EACH))) == 1
    three = VECTORS[[*rows_of(0, 5), *rows_of(1, 5), *rows_of(2, 5)]]
    assert len(find_interests(three, np.ones(15))) == 3
    assert [len(find_interests(three, np.ones(15), n)) for n in (1, 2, 3, 4)] == [1, 2, 3, 4]


def test_what_was_only_heard_makes_no_interest_unless_nothing_was_liked():
    liked, heard = rows_of(0, 8), rows_of(1, 8)
    weights = np.array([1.0] * 8 + [0.3] * 8, np.float32)
    assert [each.rows.tolist() for each in find_interests(VECTORS[liked + heard], weights)] == [[*range(8)]]
    assert len(find_interests(VECTORS[liked + heard], weights * 0.3)) == 2


def test_few_likes_are_one_interest_and_none_is_none():
    assert len(find_interests(VECTORS[[0, 1, N_EACH, N_EACH + 1]], np.ones(4))) == 1
    assert find_interests(VECTORS[:0], np.ones(0)) == []
    assert shares_of([]).tolist() == [1.0]
    assert queries_of([], VECTORS[:0], np.ones(0), VECTORS[0]).tolist() == [VECTORS[0].tolist()]


def test_only_the_latest_likes_are_grouped():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((N_LIKED + 50, 40)).astype(np.float32)
    weights = np.linspace(1, 0.5, N_LIKED + 50).astype(np.float32)
    found = find_interests(vectors, weights, 2)
    assert sorted(np.concatenate([each.rows for each in found]).tolist()) == [*range(N_LIKED)]


def test_groups_are_counted_as_the_test_says_worked_from_the_tracks():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        chosen = rng.choice(5, rng.integers(1, 4), replace=False)
        vectors = VECTORS[[row for cluster in chosen for row in rows_of(cluster, int(rng.integers(3, 9)))]]
        tree, dim, n = linkage(vectors, "ward"), vectors.shape[1], len(vectors)

        def within(n_groups, tree=tree, vectors=vectors):  # the slow twin: sums of squares around the means
            groups = fcluster(tree, n_groups, "maxclust")
            return sum(((vectors[groups == g] - vectors[groups == g].mean(0)) ** 2).sum() for g in set(groups))

        expected = 1
        error = math.sqrt(2 * (1 - 8 / (math.pi**2 * dim)) / (n * dim))
        while expected < min(3, n - 1) and within(expected + 1) / within(expected) < (
            1 - 2 / (math.pi * dim) - MIN_SPLIT * error
        ):
            expected += 1
        assert n_interests(tree[:, 2], dim) == expected


def test_tracks_that_are_all_the_same_are_one_interest():
    assert len(find_interests(np.repeat(VECTORS[:1], 9, axis=0), np.ones(9))) == 1


# Turns


@given(st.lists(st.integers(1, 20), min_size=1, max_size=5), st.integers(1, 30))
def test_turns_fill_seats_as_webster_does(votes, k):
    shares = np.array(votes) / sum(votes)
    places = places_of(np.arange(k), shares[:, np.newaxis])
    order = np.argsort(places.ravel(), kind="stable")[:k] // k
    seats = Counter()
    for _ in range(k):  # the slow twin: one seat after another to the largest quotient
        quotients = [share / (2 * seats[owner] + 1) for owner, share in enumerate(shares)]
        seats[int(np.argmax(quotients))] += 1
    found = Counter(order.tolist())
    assert sum(found.values()) == k
    for owner, share in enumerate(shares):  # equal quotients may go to either
        assert abs(found[owner] - seats[owner]) <= 1
        assert abs(found[owner] - share * k) < len(votes)


# Recall


@pytest.fixture
def engine(tmp_path):
    """Sixty tracks around five centres, by ten artists; copies of two of them."""
    with Engine.open(tmp_path / "catalogue") as engine:
        changes = [change(f"{row:02}", vector, artist=f"artist {row % 10}") for row, vector in enumerate(VECTORS)]
        engine.catalogue.set_model(changes[0].model_id)
        engine.catalogue.write(changes)
        yield engine


def likes(*rows):
    return [Play(track=f"/music/{row:02}.mp3") for row in rows]


def clusters_of(answer):
    return [int(place.track.path.stem) // N_EACH for place in answer]


def test_a_user_of_two_tastes_gets_both_by_their_shares_with_reasons_of_each(engine):
    plays = likes(*rows_of(0, 8), *rows_of(1, 4))
    answer = engine.recommender.tracks_for(plays=plays, k=6, interests="auto")
    assert [(place.interest, cluster) for place, cluster in zip(answer, clusters_of(answer), strict=True)] == [
        (1, 0),
        (2, 1),
        (1, 0),
        (1, 0),
        (2, 1),
        (1, 0),
    ]
    for place, cluster in zip(answer, clusters_of(answer), strict=True):
        assert clusters_of_reasons(place) == {cluster}
    assert [place.rank for place in answer] == [1, 2, 3, 4, 5, 6]


def clusters_of_reasons(place):
    return {int(track.path.stem) // N_EACH for track in place.reasons}


def test_a_user_of_one_taste_is_answered_by_one_vector(engine):
    plays = likes(*rows_of(3, 8))
    assert engine.recommender.tracks_for(plays=plays, interests="auto") == engine.recommender.tracks_for(plays=plays)


def test_no_recording_comes_twice_and_artists_are_capped_over_all_interests(engine):
    copy = change("14 again", VECTORS[14], artist="artist 4")
    engine.catalogue.write([copy])
    plays = likes(*rows_of(0, 8), *rows_of(1, 2), *rows_of(1)[3:9])
    answer = engine.recommender.tracks_for(plays=plays, k=60, interests=2)
    names = [place.track.path.stem for place in answer]
    assert len(set(names)) == len(names) == 60 - 16
    assert len({"14", "14 again"} & set(names)) == 1
    capped = engine.recommender.tracks_for(plays=plays, k=60, interests=2, max_per_artist=2)
    assert max(Counter(place.track.tags.artist for place in capped).values()) == 2


def test_diversity_makes_lists_that_differ_more_within(engine):
    plays = likes(*rows_of(0, 6))
    known = {track.path.stem: row for row, track in enumerate(sorted(engine.tracks(), key=lambda track: track.path))}
    spread, n_artists = [], []
    for share in (0.0, 0.8):
        answer = engine.recommender.tracks_for(plays=plays, k=6, diversity=share)
        spread.append(diversity(np.array([[known[place.track.path.stem] for place in answer]]), VECTORS)[0])
        n_artists.append(len({place.track.tags.artist for place in answer}))
    assert spread[0] < spread[1]
    assert n_artists[0] <= n_artists[1]
    capped = engine.recommender.tracks_for(plays=plays, k=10, diversity=0.5, max_per_artist=1)
    assert len({place.track.tags.artist for place in capped}) == 10


@pytest.mark.parametrize("wrong", [{"interests": 0}, {"interests": 11}, {"interests": "many"}, {"diversity": 1.1}])
def test_numbers_out_of_range_are_refused(engine, wrong, tmp_path):
    with pytest.raises(ValueError, match=r"interests must be from 1 to 10, or auto|diversity must be between 0 and 1"):
        engine.recommender.tracks_for(plays=likes(0), **wrong)


@pytest.fixture
def learned(engine, tmp_path):
    """Users of one, two and three tastes, and one who likes a single track."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(12):
        tastes = rng.choice(5, user % 3 + 1, replace=False)
        liked = [row for taste in tastes for row in rng.choice(rows_of(taste), 6, replace=False)]
        rows += [{"user": f"u{user}", "track": f"/music/{row:02}.mp3", "action": "like", "day": 0.0} for row in liked]
    rows.append({"user": "once", "track": "/music/00.mp3", "action": "like", "day": 0.0})
    pl.DataFrame(rows).write_parquet(tmp_path / "plays.parquet")
    engine.recommender.learn_users(tmp_path / "plays.parquet")
    return engine


@pytest.mark.parametrize("share", [0.0, 0.4])
@pytest.mark.parametrize(("interests", "max_per_artist"), [("auto", None), ("auto", 2), (3, 1), (1, None), (1, 1)])
@pytest.mark.usefixtures("small_pools")
def test_all_users_are_answered_as_each_alone(learned, tmp_path, interests, max_per_artist, share):
    out = tmp_path / "all.parquet"
    options = {"k": 9, "interests": interests, "max_per_artist": max_per_artist, "diversity": share}
    learned.recommender.recall_all(out, **options)
    answers = pl.read_parquet(out)
    assert answers["user"].n_unique() == 13
    for (user,), rows in answers.group_by("user"):
        alone = learned.recommender.tracks_for(user=user, **options)
        assert rows.sort("rank")["track"].to_list() == [place.track.track_id for place in alone]
        np.testing.assert_allclose(rows.sort("rank")["score"], [place.score for place in alone], atol=1e-6)


@pytest.fixture
def small_pools(monkeypatch):
    """Two candidates a place, and two users at a time: pools must be widened, and blocks cut."""
    monkeypatch.setattr(steering, "POOL", 2)
    monkeypatch.setattr(steering, "MIN_POOL", 2)
    monkeypatch.setattr(block_search, "POOL_CELLS", 40)


def test_lists_of_all_users_differ_more_with_diversity(learned, run: Run, tmp_path):
    spread = []
    for share in (0, 0.3, 0.9):
        out = tmp_path / f"{share}.csv"
        options = ("-k", 6, "--diversity", share, "--out", out, "-c", tmp_path / "catalogue")
        assert run("recall-all", *options).status == 0
        lists = pl.read_csv(out).group_by("user", maintain_order=True).agg("track")["track"].to_list()
        rows = {track.track_id: int(track.path.stem) for track in learned.tracks()}
        spread.append(diversity(np.array([[rows[track] for track in each] for each in lists]), VECTORS).mean())
    assert spread[0] < spread[1] < spread[2]


def test_an_empty_catalogue_has_no_varied_tracks():
    none = Candidates(vectors=np.zeros((0, 3), np.float32), recordings=np.zeros(0, int), artists=np.zeros(0, int))
    rows, scores = recall_varied(np.eye(3, dtype=np.float32), none, 2, heard=csr_array((3, 1)), diversity=0.5)
    assert rows.tolist() == [[-1, -1]] * 3
    assert np.isinf(scores).all()


def test_a_track_that_left_the_catalogue_is_no_interest(learned, tmp_path):
    for row in rows_of(0):
        learned.remove(f"/music/{row:02}.mp3")
    learned.recommender.recall_all(tmp_path / "all.parquet", k=9, interests="auto")
    answers = pl.read_parquet(tmp_path / "all.parquet")
    for (user,), rows in answers.group_by("user"):
        alone = learned.recommender.tracks_for(user=user, k=9, interests="auto")
        assert rows.sort("rank")["track"].to_list() == [place.track.track_id for place in alone]


def test_interests_are_asked_for_on_the_command_line(learned, run: Run, tmp_path):
    catalogue = ("-c", tmp_path / "catalogue")
    places = run("recall", "u1", "-k", 8, "--interests", "auto", "--json", *catalogue).objects
    assert {place["interest"] for place in places} == {1, 2}
    shown = run("recall", "u1", "--interests", "auto", "--diversity", 0.3, *catalogue)
    assert shown.status == 0
    assert "of 2 interests in turn" in shown.err
    ran = run("recall-all", "--interests", "auto", "-k", 5, "--out", tmp_path / "all.parquet", *catalogue)
    assert ran.status == 0
    for wrong in (("--interests", "many"), ("--interests", 0), ("--diversity", 2)):
        refused = run("recall", "u1", *wrong, *catalogue)
        assert refused.status == 2, json.dumps(refused.err)


def test_the_benchmarks_estimate_tells_users_of_two_camps_and_changes_nothing():
    rng = np.random.default_rng(0)
    liked = np.zeros((850, 17 * 8), np.float32)  # as many camps as its space has dimensions, and one
    for user in range(850):
        for camp in rng.choice(17, 1 if user < 680 else 2, replace=False):
            liked[user, rng.choice(range(8 * camp, 8 * camp + 8), 6, replace=False)] = 1
    liked[(liked == 0) & (rng.random(liked.shape) < 0.05)] = 0.2  # heard, and no more
    tastes = csr_array(liked)
    before = tastes.copy()
    found = n_tastes(tastes, np.ones(850, np.bool_))
    assert (found[680:] == 2).mean() > 0.9
    assert (found[:680] == 1).mean() > 0.6
    np.testing.assert_array_equal(tastes.indices, before.indices)
    np.testing.assert_array_equal(tastes.data, before.data)
    few = csr_array(liked * (liked.cumsum(axis=1) < 5))
    assert set(n_tastes(few, np.arange(850) < 9).tolist()) == {0}
