"""Several interests of a user against one vector, by what users later like (simulated); prints Markdown tables.

    python -m tests.benchmarks.interests --world ../shared/world2 --catalogue DIR [--choose]
    python -m tests.benchmarks.interests --planted --catalogue DIR

The catalogue holds ../shared/audio. Warm: users are made of the plays before day 100, and later plays of tracks that
are new to them judge. Cold: users are made of all plays of the log, and the plays of the cold tracks judge
(--cold-tracks, --cold-plays and --cold-audio name others than `valid_cold`). With --choose, days 80 to 100 and held-out
artists of the training plays judge instead. With --planted, users are drawn whose tastes are known: one, two or three
places among the real vectors, and likes around them.

How many tastes a user truly has is in no file. The worlds' users are told apart by an estimate out of the training
plays: the groups among a user's likes in a space of who likes what with what, which neither method sees.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds
from sklearn.metrics import silhouette_score

from audio_engine.evaluation.cold_start.data import ColdStartData, read_world
from audio_engine.metrics.bootstrap import mean_interval, user_weights
from audio_engine.metrics.lists import diversity
from audio_engine.metrics.ranking_quality import K, ranking_by_user, top_k
from audio_engine.recall.block_search import recall_block, recall_shared
from audio_engine.recall.candidates import NOBODY, Candidates
from audio_engine.recall.interests import FEW, find_interests
from audio_engine.recall.user_profile import merged_vectors, taste_vectors, tastes_of
from audio_engine.recall.user_queries import UserQueries, divide_users
from audio_engine.training.data import hold_out_artists
from metric_learning.play_log import SILENT_WEIGHT, PlayLog
from tests.benchmarks import recall_variants
from tests.benchmarks.enlarged import real_vectors
from tests.benchmarks.recall_variants import Task, cold_task, held_out_task, vectors_of, warm_task

START, END = 100.0, 120.0  # days that judge
CHOOSE_START = 80.0  # … to START: days that variants are chosen on
FULL = 120.0
DIM_OF_LIKES = 16  # of the space in which the tastes of a user are counted
SILHOUETTE = 0.25  # mean of a user's likes, from which they are of several groups
N_PLANTED, N_HIDDEN = 1_000, 10  # users of each kind, and likes of each that judge
KERNEL = 2.0  # times the cosine, where every like counts by itself
SEEDS = (0, 1, 2)

Floats = NDArray[np.float32]
Ways = dict[str, Callable[[], NDArray[np.int64]]]  # recommended (n_users, K), by the name of the method


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Users, what they like, and what they are offered."""

    users: Floats  # (n_users, dim)
    tastes: csr_array  # (n_users, n_tracks)
    vectors: Floats  # (n_tracks, dim) of the tracks they have heard
    offered: Floats  # (n_offered, dim)
    heard: csr_array  # (n_users, n_offered)


def ways_of(asked: Asked) -> Ways:
    """List the methods that are compared."""
    offer = Candidates(
        vectors=asked.offered,
        recordings=np.arange(len(asked.offered)),
        artists=np.full(len(asked.offered), NOBODY, np.int64),
    )

    def of(queries: UserQueries) -> NDArray[np.int64]:
        return recall_shared(queries, offer, K, heard=asked.heard)[0]

    def divided(interests: int | str) -> NDArray[np.int64]:
        return of(divide_users(asked.users, asked.tastes, asked.vectors, interests))  # type: ignore[arg-type]

    return {
        "one vector": lambda: recall_block(asked.users, offer, K, heard=asked.heard)[0],
        "interests, auto": lambda: divided("auto"),
        "interests, 2": lambda: divided(2),
        "interests, 3": lambda: divided(3),
        "auto, means alone": lambda: of(own_queries(asked, medoids=False)),
        "auto, medoids alone": lambda: of(own_queries(asked, medoids=True)),
        "every like by itself": lambda: by_every_like(asked),
    }


def by_every_like(asked: Asked) -> NDArray[np.int64]:
    """Score by the sum over likes of the exponential of similarity: as many interests as likes, but no single search.

    One vector is the limit of this for a small `KERNEL`.
    """
    scores = asked.tastes.maximum(0) @ np.exp(KERNEL * asked.vectors @ asked.offered.T)
    return top_k(np.where(asked.heard.toarray() > 0, -np.inf, scores))


def own_queries(asked: Asked, *, medoids: bool) -> UserQueries:
    """Ask by the mean or, as PinnerSage does, the medoid of each interest, without the user's own vector."""
    vectors, users, shares = [], [], []
    for number, user in enumerate(asked.users):
        liked, weights = liked_of(asked.tastes, number)
        x = asked.vectors[liked]
        found = find_interests(x, weights)
        queries = [x[each.rows].T @ weights[each.rows] for each in found] if len(found) > 1 else [user]
        if medoids and len(found) > 1:
            queries = [x[each.rows][(x[each.rows] @ x[each.rows].sum(0)).argmax()] for each in found]
        vectors += [query / np.linalg.norm(query) if query.any() else query for query in queries]
        users += [number] * len(queries)
        shares += [each.share for each in found] if len(found) > 1 else [1.0]
    return UserQueries(vectors=np.array(vectors, np.float32), users=np.array(users), shares=np.array(shares))


def liked_of(tastes: csr_array, number: int) -> tuple[NDArray[np.int64], Floats]:
    """Look up what a user likes, with weights."""
    part = slice(tastes.indptr[number], tastes.indptr[number + 1])
    rows, weights = tastes.indices[part], tastes.data[part]
    return rows[weights > 0], weights[weights > 0]


def n_tastes(tastes: csr_array, asked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Estimate how many tastes some users have, 1 to 3, by who likes what with what; 0 where too few likes tell.

    Tracks are placed by a singular value decomposition of the table of likes, whose rows and columns are scaled. The
    likes of a user are cut in two and three groups there: the number of groups is that of the larger mean silhouette,
    or one if that is below `SILHOUETTE`.

    References
    ----------
    L. Kaufman, P. Rousseeuw, Finding groups in data, 1990, table 4: below 0.25 no substantial structure was found.
    """
    likes = (tastes > SILENT_WEIGHT).astype(np.float64).tocsr()
    by_user, by_track = (1 / np.sqrt(np.maximum(1, np.asarray(likes.sum(axis=axis)).ravel())) for axis in (1, 0))
    cells = likes.tocoo()
    scaled = csr_array((cells.data * by_user[cells.row] * by_track[cells.col], (cells.row, cells.col)), likes.shape)
    _, sizes, tracks = svds(scaled, DIM_OF_LIKES + 1, rng=np.random.default_rng(0))
    space = tracks[np.argsort(-sizes)][1:].T  # the first only says what is popular
    space /= np.maximum(np.linalg.norm(space, axis=1, keepdims=True), 1e-12)
    bounds = zip(likes.indptr[:-1][asked], likes.indptr[1:][asked], strict=True)
    return np.array([_n_groups(space[likes.indices[start:stop]]) for start, stop in bounds])


def _n_groups(vectors: NDArray[np.float64]) -> int:
    """Count the groups of a user's likes."""
    if len(vectors) < FEW:
        return 0
    tree = linkage(vectors, "ward")
    found = {}
    for n in (2, 3):
        groups = fcluster(tree, n, "maxclust")
        found[n] = silhouette_score(vectors, groups) if len(set(groups.tolist())) == n else -1.0
    best = max(found, key=lambda n: found[n])
    return best if found[best] >= SILHOUETTE else 1


def tables(name: str, asked: Asked, liked: NDArray[np.bool_], groups: NDArray[np.int64]) -> None:
    """Print the figures of each method, and the differences to one vector, for all users and for each group."""
    weights = user_weights(len(liked), seed=0)
    judged = liked.any(axis=1)
    found = {way: figures(recommend(), liked, asked.offered) for way, recommend in ways_of(asked).items()}
    divided = divide_users(asked.users, asked.tastes, asked.vectors, "auto")
    is_divided = np.bincount(divided.users, minlength=len(liked)) > 1
    parts = {"all": judged, **{f"{n} taste{'s' * (n > 1)}": judged & (groups == n) for n in (1, 2, 3)}}
    parts["divided by auto"] = judged & is_divided
    head = "recall@10 | nDCG@10 | diversity@10"
    print(f"\n| {name} | users | {head} | difference: {head.replace(' | ', ' | difference: ')} |\n|---|" + "---|" * 7)
    for part, keep in parts.items():
        for way, values in found.items() if keep.any() else ():
            cells, differences = [f"{each[keep].mean():.3f}" for each in values], [""] * len(values)
            if way == "one vector":
                cells = [str(mean_interval(each[keep], weights[:, keep])) for each in values]
            else:
                gains = [(each - one)[keep] for each, one in zip(values, found["one vector"], strict=True)]
                differences = [str(mean_interval(each, weights[:, keep])) for each in gains]
            print(f"| {part}: {way} | {keep.sum()} | {' | '.join([*cells, *differences])} |", flush=True)


def figures(recommended: NDArray[np.int64], liked: NDArray[np.bool_], offered: Floats) -> list[NDArray[np.float64]]:
    """Score each user's list: recall, nDCG and intra-list diversity, (n_users,) each."""
    ranking = ranking_by_user(recommended, liked)
    return [ranking[f"recall@{K}"], ranking[f"ndcg@{K}"], diversity(recommended, offered)]


def of_world(data: ColdStartData, warm: Floats, cold: Floats, tower: object, *, choose: bool) -> None:
    """Compare on a world of simulated listening."""
    for task, plays, now in tasks_of(data, warm, cold, choose=choose):
        tastes = tastes_of(plays, data.n_users, len(warm), now=now)
        judged = (task.feedback > 0).any(axis=1)
        sound, groups = taste_vectors(tastes, warm), np.zeros(data.n_users, np.int64)
        groups[judged] = n_tastes(tastes, judged)
        users = {"sound": sound}
        likes = tastes.toarray() > SILENT_WEIGHT
        print(f"\n{task.name}: pairwise cosine of a user's likes: {cosine(warm, likes[likes.sum(axis=1) >= FEW]):.2f}")
        if tower is not None and tower.n_categories == data.categories.shape[1]:  # type: ignore[attr-defined]
            recall_variants.LATE_DAY = now
            by_tower = recall_variants.tower_vectors(data, plays, tower)  # type: ignore[arg-type]
            users["user tower and sound"] = merged_vectors(by_tower, sound)
        for method, vectors in users.items():
            asked = Asked(users=vectors, tastes=tastes, vectors=warm, offered=task.vectors, heard=csr_array(task.known))
            tables(f"{task.name}, {method}, simulated", asked, task.feedback > 0, groups)


def tasks_of(data: ColdStartData, warm: Floats, cold: Floats, *, choose: bool) -> Iterator[tuple[Task, PlayLog, float]]:
    """Cut the log: what judges, the plays that users are made of, and the day on which they are."""
    start, end = (CHOOSE_START, START) if choose else (START, END)
    early = data.plays.where(data.plays.day < start)
    late = data.plays.where((data.plays.day >= start) & (data.plays.day < end))
    yield warm_task(data, early, late, warm), early, start
    if choose:
        is_held = hold_out_artists(data.warm.artist_keys, seed=0)
        rest = data.plays.where(~is_held[data.plays.track])
        yield held_out_task(data, data.plays, warm, is_held), rest, FULL
    else:
        yield cold_task(data, cold), data.plays, FULL


def planted(vectors: Floats, *, sharpness: float) -> None:
    """Compare on users whose tastes are known.

    A user has one, two or three tastes, each a track at random, all of them alike in weight; likes tracks in proportion
    to the exponential of `sharpness` times the similarity to the taste; and is asked for ten likes that were hidden.
    """
    groups = np.tile(np.repeat((1, 2, 3), N_PLANTED), len(SEEDS))
    likes, hidden = np.zeros((2, len(groups), len(vectors)), np.bool_)
    for seed, start in zip(SEEDS, range(0, len(groups), 3 * N_PLANTED), strict=True):
        rng = np.random.default_rng(seed)
        for user in range(start, start + 3 * N_PLANTED):
            places = vectors[rng.choice(len(vectors), groups[user], replace=False)]
            chances = np.exp(sharpness * vectors @ places.T)
            mixed = (chances / chances.sum(axis=0)).mean(axis=1)
            n_likes = int(np.clip(rng.geometric(1 / 20), 8, 60))
            drawn = rng.choice(len(vectors), n_likes + N_HIDDEN, replace=False, p=mixed / mixed.sum())
            likes[user, drawn[N_HIDDEN:]], hidden[user, drawn[:N_HIDDEN]] = True, True
    tastes = csr_array(likes.astype(np.float32))
    asked = Asked(
        users=taste_vectors(tastes, vectors), tastes=tastes, vectors=vectors, offered=vectors, heard=csr_array(likes)
    )
    print(f"\npairwise cosine of the likes of a user of one taste: {cosine(vectors, likes[groups == 1]):.2f}")
    found = np.array([len(find_interests(vectors[each], np.ones(each.sum()))) for each in likes])
    for n in (1, 2, 3):
        shares = np.bincount(found[groups == n], minlength=4)[1:] / (groups == n).sum()
        print(f"true tastes {n}: found 1, 2, 3 in " + ", ".join(f"{share:.3f}" for share in shares))
    tables(f"planted, sharpness {sharpness:g}, simulated", asked, hidden, groups)


def cosine(vectors: Floats, likes: NDArray[np.bool_]) -> float:
    """Average the similarity of pairs of liked tracks, over users."""
    return float(np.mean([1 - diversity(np.flatnonzero(each)[np.newaxis], vectors)[0] for each in likes]))


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add the options that name what is compared on."""
    parser.add_argument("--world", type=Path)
    parser.add_argument("--audio", type=Path, help="what the catalogue was embedded from; beside the world by default")
    parser.add_argument("--catalogue", type=Path, required=True)
    parser.add_argument("--cold-tracks", type=Path)
    parser.add_argument("--cold-plays", type=Path)
    parser.add_argument("--cold-audio", type=Path)
    parser.add_argument("--choose", action="store_true")


def read_data(options: argparse.Namespace) -> ColdStartData:
    """Read the world that options name."""
    return read_world(
        options.world,
        options.audio or options.world.parent / "audio",
        cold_tracks=options.cold_tracks,
        cold_plays=options.cold_plays,
        cold_audio=options.cold_audio,
    )


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_files(parser)
    parser.add_argument("--planted", action="store_true")
    options = parser.parse_args()
    if options.planted:
        for sharpness in (4.0, 8.0):
            planted(real_vectors(options.catalogue), sharpness=sharpness)
        return
    data = read_data(options)
    warm, cold, tower = vectors_of(options.catalogue, options.world, data)
    of_world(data, warm, cold, tower, choose=options.choose)


if __name__ == "__main__":
    main()
