import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import ttest_1samp

from audio_engine.ranking.ranker import Ranker
from metric_learning.play_log import PlayLog
from tests.benchmarks.experiments.simulation.__main__ import main, put_simulation
from tests.benchmarks.experiments.simulation.days import Chance, DayDone, run_days
from tests.benchmarks.experiments.simulation.figure import draw_days
from tests.benchmarks.experiments.simulation.log import LogSoFar, start_factors
from tests.benchmarks.experiments.simulation.measures import Run as DaysRun
from tests.benchmarks.experiments.simulation.measures import measure_run, summarise
from tests.benchmarks.experiments.simulation.planted import FIRST_DAY, N_OLD, OWN_KIND, SHAPE, planted_world
from tests.benchmarks.experiments.simulation.policies import (
    ENOUGH_PLAYS,
    KEPT_PLACES,
    LIST_LENGTH,
    POLICIES,
    Candidates,
    fill_lists,
    recall_and_rank,
    seen_by,
    train_ranker,
)
from tests.benchmarks.experiments.simulation.runs import simulate
from tests.listening_world import write_world

WORLD = planted_world()


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    return train_ranker(WORLD.known, with_vectors=True, seed=0)


def days_of(name: str, ranker: Ranker, n_days: int = 4) -> list[DayDone]:
    known = WORLD.known
    log = LogSoFar(known.plays, SHAPE, first_day=FIRST_DAY, factors=start_factors(known.plays, SHAPE))
    return list(run_days(WORLD, POLICIES[name], log, ranker, n_days=n_days, chance=Chance.of(0, SHAPE)))


def test_nobody_hears_a_track_twice_nor_before_its_release(ranker: Ranker) -> None:
    heard = {(u, t) for u, t in zip(WORLD.known.plays.user, WORLD.known.plays.track, strict=True)}
    for done in days_of("on", ranker):
        assert (WORLD.known.release_day[done.plays.track] <= FIRST_DAY + done.day - 1).all()
        for pair in zip(done.plays.user, done.plays.track, strict=True):
            assert pair not in heard
            heard.add(pair)


def test_chance_is_the_same_whatever_the_policy(ranker: Ranker) -> None:
    made_of: dict[tuple[int, int], int] = {}
    for name in ("on", "off"):
        days = days_of(name, ranker)
        for done in days:
            for user, track, action in zip(done.plays.user, done.plays.track, done.plays.action, strict=True):
                assert made_of.setdefault((user, track), action) == action
    visits = [[set(done.plays.user) for done in days_of(name, ranker)] for name in ("off", "random exploration")]
    assert visits[0] == visits[1]


def test_by_sound_new_tracks_are_thought_good_for_those_who_will_like_them(ranker: Ranker) -> None:
    known, users = WORLD.known, np.arange(SHAPE[0])
    log = LogSoFar(known.plays, SHAPE, first_day=FIRST_DAY, factors=start_factors(known.plays, SHAPE))
    on, off = (
        recall_and_rank(POLICIES[name], seen_by(POLICIES[name], known), log, ranker, users=users, day=FIRST_DAY + 9)
        for name in ("on", "off")
    )
    value, own = on.value[:, N_OLD:], OWN_KIND[:, N_OLD:]
    assert value[own].min() > 0.6
    assert value[~own].max() < 0.4
    assert (off.value[:, N_OLD:] == -np.inf).all()  # nobody has played them, and without sound nothing recalls them


def test_exploration_brings_new_tracks_their_plays_sooner(ranker: Ranker) -> None:
    off, on = (days_of(name, ranker)[-1].n_plays[N_OLD:] for name in ("off", "on"))
    assert on[:4].min() > off[:4].max()


def test_without_sound_a_new_track_has_no_vector() -> None:
    off, nothing = (seen_by(POLICIES[name], WORLD.known) for name in ("off", "no vectors"))
    assert off.track_vectors.any(1).tolist() == [i < N_OLD for i in range(SHAPE[1])]
    assert off.tracks["vector"].null_count() == SHAPE[1] - N_OLD
    assert not nothing.track_vectors.any()
    assert seen_by(POLICIES["on"], WORLD.known) is WORLD.known


def test_the_places_kept_go_to_the_tracks_with_the_largest_bonus_until_they_have_enough() -> None:
    value = np.full((1, 30), 0.5, np.float32)
    value[0, 20:] = 0.1
    to_explore = np.zeros((1, 30), np.bool_)
    to_explore[0, 20:] = True
    plays = np.full(30, 1_000)
    plays[20:] = np.arange(60, 50, -1)  # the last has the fewest
    candidates, rng = Candidates(value=value, to_explore=to_explore), np.random.default_rng(0)
    lists = fill_lists(POLICIES["on"], candidates, plays=plays, n_new_plays=int(plays[20:].sum()), rng=rng)
    assert lists[0, -KEPT_PLACES:].tolist() == [29, 28]
    assert (lists[0, :-KEPT_PLACES] < 20).all()
    plays[20:] = ENOUGH_PLAYS
    lists = fill_lists(POLICIES["on"], candidates, plays=plays, n_new_plays=1_000, rng=rng)
    assert (lists < 20).all()
    assert (fill_lists(POLICIES["off"], candidates, plays=plays * 0, n_new_plays=0, rng=rng) < 20).all()


def test_a_list_ends_where_nothing_is_left_to_show() -> None:
    value = np.full((1, 30), -np.inf, np.float32)
    value[0, :3] = 0.5
    candidates = Candidates(value=value, to_explore=np.zeros((1, 30), np.bool_))
    for name in ("off", "on"):
        lists = fill_lists(
            POLICIES[name], candidates, plays=np.zeros(30, np.int64), n_new_plays=0, rng=np.random.default_rng(0)
        )
        assert lists.shape == (1, LIST_LENGTH)
        assert sorted(lists[0][lists[0] >= 0]) == [0, 1, 2]


def test_a_run_measures_what_one_works_out_by_hand() -> None:
    known = replace(WORLD.known, release_day=np.array([*[-100] * (SHAPE[1] - 2), FIRST_DAY, FIRST_DAY + 1]))
    old, first, second = 0, SHAPE[1] - 2, SHAPE[1] - 1
    plays = [  # track, action: the last of a day was found, the others were shown
        [(old, 1), (old, 0), (first, 1), (old, 0)],
        [(first, 2), (old, 1), (second, 1), (first, 1)],
    ]
    days = []
    for number, rows in enumerate(plays):
        track, action = (np.array(column) for column in zip(*rows, strict=True))
        n = len(track)
        log = PlayLog(
            user=np.arange(n),
            track=track,
            day=np.zeros(n, np.float32),
            completion=np.ones(n, np.float32),
            action=action.astype(np.int8),
        )
        evening = np.zeros(SHAPE[1], np.int64)
        evening[first] = (20, ENOUGH_PLAYS)[number]
        days.append(
            DayDone(day=number + 1, plays=log, recommended=np.array([True] * (n - 1) + [False]), n_plays=evening)
        )
    run = measure_run("on", 0, known, days)
    assert run.by_day["like_rate"] == pytest.approx([2 / 3, 2 / 3])
    assert run.by_day["new_share"] == pytest.approx([1 / 3, 2 / 3])
    assert run.by_day["reached"] == [0.0, 0.5]
    assert run.whole["new_like_rate"] == pytest.approx(2 / 3)
    assert run.whole["new_coverage"] == 1.0
    assert run.whole["new_gini"] == pytest.approx(1 / 6)  # shown twice and once
    assert run.whole["median_days_to_enough"] == np.inf  # one after two days, one not yet


def test_gains_are_taken_seed_by_seed_with_students_interval() -> None:
    off, on = [0.1, 0.3, 0.2, 0.5], [0.2, 0.35, 0.4, 0.6]
    runs = [
        DaysRun(policy=name, seed=seed, n_days=1, whole={"like_rate": value}, by_day={})
        for name, values in (("off", off), ("on", on))
        for seed, value in enumerate(values)
    ]
    base, row, gain = summarise(runs)
    twin = ttest_1samp(np.array(on) - np.array(off), 0).confidence_interval(0.95)
    assert (gain.low, gain.high) == pytest.approx((twin.low, twin.high))
    assert [each.about["over"] for each in (base, row, gain)] == [None, None, "off"]
    assert (gain.method, row.about["n_seeds"]) == ("on", 4)


def test_runs_that_are_kept_are_not_run_again(tmp_path: Path) -> None:
    kept = tmp_path / "runs.jsonl"
    first = list(simulate(WORLD, policies=["off"], n_days=1, kept=kept))
    assert len(kept.read_text().splitlines()) == 1
    kept.write_text(json.dumps(asdict(first[0]) | {"whole": {"like_rate": 7.0}}) + "\n")
    (again,) = simulate(WORLD, policies=["off"], n_days=1, kept=kept)
    assert again.whole == {"like_rate": 7.0}
    with pytest.raises(ValueError, match=r"policy must be one of off, .*got 'best'"):
        next(simulate(WORLD, policies=["best"]))


def test_the_command_tables_policies_and_what_they_gain(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    runs = [run for name in ("off", "on") for run in simulate(WORLD, policies=[name], seeds=[0, 1], n_days=2)]
    summaries = list(summarise(runs))
    put_simulation(summaries)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0].strip() for line in lines[2:]] == ["off", "on", "on, over off"]
    draw_days(summaries, tmp_path / "days.png")
    assert (tmp_path / "days.png").stat().st_size > 10_000


def test_the_command_refuses_a_model_of_other_tracks(tmp_path: Path, run_main) -> None:
    write_world(tmp_path)
    tracks = pl.read_parquet(tmp_path / "tracks.parquet")
    released = pl.Series("release_day", [-10] * 20 + [1] * 8)
    tracks.with_columns(released).write_parquet(tmp_path / "tracks.parquet")
    with pytest.raises(ValueError, match="user tower that knows tracks of the world"):
        run_main(main, "--world", tmp_path, "--audio", tmp_path, "--store", tmp_path / "mels")
