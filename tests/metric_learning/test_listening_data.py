from dataclasses import replace

import numpy as np
import pytest
import torch

from metric_learning.listening_data import DrawnEmbeddings, DrawnSegments, ListeningSteps, StepSizes
from metric_learning.play_log import DISLIKE, LIKE, NONE, SKIP, PlayLog

RNG = np.random.default_rng(0)
N_USERS, N_TRACKS = 50, 20
SIZES = StepSizes(n_tracks=12, n_segments=2, n_triplets=300, n_disliked=3, n_steps=4)


def log() -> PlayLog:
    user = np.repeat(np.arange(N_USERS), 10)
    return PlayLog(
        user=user,
        track=np.concatenate([RNG.permutation(N_TRACKS)[:10] for _ in range(N_USERS)]),
        day=np.zeros(len(user), np.float32),
        completion=np.full(len(user), np.nan, np.float32),
        action=RNG.choice([NONE, LIKE, DISLIKE, SKIP], len(user)).astype(np.int8),
    )


PLAYS = log()
MELS = RNG.normal(size=(N_TRACKS, 5, 4, 6)).astype(np.float16)
SOUNDS = DrawnSegments(log_mel=MELS, n_segments=SIZES.n_segments)
ACTION = {(u, t): a for u, t, a in zip(PLAYS.user, PLAYS.track, PLAYS.action, strict=True)}


def steps(sizes: StepSizes = SIZES, seed: int = 0) -> ListeningSteps:
    return ListeningSteps(SOUNDS, PLAYS, N_USERS, sizes=sizes, seed=seed)


def test_a_step_has_the_shapes_that_it_says() -> None:
    log_mel, rows, user, liked, disliked, present = next(steps().draw_epoch(0))
    assert log_mel.shape == (12, 2, 4, 6)
    assert (rows.shape, user.shape, liked.shape, disliked.shape, present.shape) == (
        (12,),
        (300,),
        (300,),
        (300, 3),
        (300, 3),
    )


def test_liked_tracks_are_liked_and_the_others_rejected_first_then_never_heard() -> None:
    for _, rows, user, liked, disliked, present in steps().draw_epoch(0):
        for i in range(len(user)):
            u = int(user[i])
            assert ACTION[u, int(rows[liked[i]])] == LIKE
            chosen = [ACTION.get((u, int(rows[j]))) for j, there in zip(disliked[i], present[i], strict=True) if there]
            assert all(action in (DISLIKE, SKIP, None) for action in chosen)
            there = sum(ACTION.get((u, int(row))) in (DISLIKE, SKIP) for row in rows)
            assert sum(action is not None for action in chosen) == min(there, 3)


def test_without_explicit_negatives_all_are_tracks_never_heard() -> None:
    sizes = StepSizes(n_tracks=12, n_segments=2, n_triplets=100, n_disliked=3, n_steps=1, explicit=False)
    for _, rows, user, _, disliked, present in steps(sizes).draw_epoch(0):
        heard = [(int(user[i]), int(rows[disliked[i, j]])) in ACTION for i, j in present.nonzero().tolist()]
        assert not any(heard)


def test_the_same_seed_draws_the_same_and_the_next_pass_another() -> None:
    source = steps(seed=1)
    first, second = list(source.draw_epoch(0)), list(source.draw_epoch(1))
    again = list(steps(seed=1).draw_epoch(0))
    assert all(torch.equal(a, b) for one, two in zip(first, again, strict=True) for a, b in zip(one, two, strict=True))
    assert not torch.equal(first[0][2], second[0][2])


def test_a_log_without_likes_is_refused() -> None:
    silent = ListeningSteps(SOUNDS, PLAYS.where(PLAYS.action == NONE), N_USERS, sizes=SIZES, seed=0)
    with pytest.raises(ValueError, match="are there any likes"):
        next(silent.draw_epoch(0))


def test_a_step_of_the_head_reads_versions_of_the_tracks_it_names() -> None:
    pooled = np.arange(2 * N_TRACKS, dtype=np.float32)[:, None]
    source = ListeningSteps(DrawnEmbeddings(pooled=pooled, n_tracks=N_TRACKS), PLAYS, N_USERS, sizes=SIZES, seed=0)
    drawn = [(sound[:, 0].numpy(), rows.numpy()) for sound, rows, *_ in source.draw_epoch(0)]
    assert all((sound % N_TRACKS == rows).all() for sound, rows in drawn)
    assert {bool(version) for sound, _ in drawn for version in sound >= N_TRACKS} == {True, False}


def test_tracks_never_played_are_drawn_the_more_the_more_others_like_them() -> None:
    n_tracks, n_users = 40, 300
    likes = np.arange(n_tracks)  # of track 0 none, of track 39 most
    user = np.concatenate([np.arange(n) % (n_users - 1) for n in likes])
    track = np.repeat(np.arange(n_tracks), likes)
    user, track = np.append(user, np.full(2, n_users - 1)), np.append(track, [0, 1])  # one more, who knows hardly any
    silent = np.full(len(user), np.nan, np.float32)
    log = PlayLog(
        user=user, track=track, day=np.zeros_like(silent), completion=silent, action=np.full(len(user), LIKE, np.int8)
    )
    drawn = {}
    for popularity in (0.0, 1.0):
        sizes = StepSizes(n_tracks=n_tracks, n_triplets=4000, n_disliked=1, n_steps=1, popularity=popularity)
        sounds = DrawnEmbeddings(pooled=np.zeros((n_tracks, 1), np.float32), n_tracks=n_tracks)
        triplets = ListeningSteps(sounds, log, n_users, sizes=sizes, seed=0).draw_triplets(
            np.arange(n_tracks), np.random.default_rng(0)
        )
        drawn[popularity] = float(triplets.disliked.double().mean())
    assert drawn[1.0] > drawn[0.0] + 1


def test_a_step_holds_a_liked_track_however_few_there_are() -> None:
    one = replace(PLAYS, action=np.where(PLAYS.track == 7, LIKE, SKIP).astype(np.int8))
    sizes = StepSizes(n_tracks=2, n_segments=2, n_triplets=5, n_disliked=1, n_steps=30)
    for _, rows, _, liked, *_ in ListeningSteps(SOUNDS, one, N_USERS, sizes=sizes, seed=0).draw_epoch(0):
        assert (rows[liked] == 7).all()
