"""``represent`` on the command line, and what takes its vectors: similar, recall, rank train, the index."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from index.vector_index import VectorIndex
from tests.command_line import Run

N_TRACKS, N_PLAYED, N_USERS = 24, 18, 60


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Users who play either even or odd tracks, which sound alike; the last six tracks have no plays."""
    rng = np.random.default_rng(0)
    rows = [
        (
            f"u{user}",
            f"t{2 * rng.integers(N_PLAYED // 2) + user % 2}",
            day + 0.001 * place,
            "like" if place % 2 else "none",
        )
        for user in range(N_USERS)
        for day in range(4)
        for place in range(6)
    ]
    rows += [("u0", "t1", 9.0, "dislike"), ("u1", "t0", 9.0, "skip"), ("u0", "not there", 9.0, "like")]
    pl.DataFrame(rows, schema=["user", "track", "day", "action"], orient="row").write_parquet(
        tmp_path / "plays.parquet"
    )
    numbers = np.arange(N_TRACKS)
    sound = np.stack([2.0 * (numbers % 2) - 1, 0.3 * rng.normal(size=N_TRACKS), 0.3 * rng.normal(size=N_TRACKS)], 1)
    sound /= np.linalg.norm(sound, axis=1, keepdims=True)
    names = [f"t{number}" for number in numbers]
    pl.DataFrame({"track": names, "vector": sound}).write_parquet(tmp_path / "audio.parquet")
    pl.DataFrame(
        {
            "track": names,
            "artist": [f"artist {number // 4 * 2 + number % 2}" for number in numbers],
            "year": 1990 + numbers,
        }
    ).write_parquet(tmp_path / "tracks.parquet")
    return tmp_path


@pytest.mark.parametrize(
    ("method", "options", "n_written"),
    [
        ("item2vec", ("--plays", "plays", "--min-plays", 1, "--epochs", 3), N_PLAYED),
        ("eges", ("--plays", "plays", "--vectors", "audio", "--walks", 10), N_TRACKS),
        ("graphsage", ("--plays", "plays", "--vectors", "audio", "--walks", 10), N_TRACKS),
        ("semantic", (), N_TRACKS),
    ],
)
def test_vectors_are_taken_by_all_that_searches_and_ranks(run: Run, files: Path, method, options, n_written):
    paths = [files / f"{option}.parquet" if option in {"plays", "audio"} else option for option in options]
    out = files / "out.parquet"
    learned = run("represent", method, *paths, "--tracks", files / "tracks.parquet", "--out", out, "--json")
    assert learned.status == 0, learned.err
    (report,) = learned.objects
    assert (report["n_written"], report["n_without"]) == (n_written, N_TRACKS - n_written)
    if method != "semantic":
        assert report["counts"]["plays left out"] == 1
        assert report["counts"]["plays rejected"] == 2
    table = pl.read_parquet(out)
    assert {"track_id", "path", "title", "artist", "vector", "model_id", "content_hash"} <= set(table.columns)
    vectors = table["vector"].to_numpy()
    assert vectors.shape == (n_written, 40)
    near = run("similar", "t4", "--vectors", out, "-k", 3, "--json")
    assert [place["rank"] for place in near.objects] == [1, 2, 3]
    if method != "semantic":
        assert all(int(str(place["track_id"])[1:]) % 2 == 0 for place in near.objects)
    recalled = run("recall", "--liked", "t3", "--liked", "t5", "--vectors", out, "-k", 2, "--json")
    assert all(place["reasons"] and place["track_id"] not in {"t3", "t5"} for place in recalled.objects)
    of_user = run("recall", "u1", "--plays", files / "plays.parquet", "--vectors", out, "-k", 2, "--json")
    assert len(of_user.objects) == 2
    plays, ranker = files / "plays.parquet", files / "ranker"
    ranked = run("rank", "train", "--plays", plays, "--vectors", out, "--out", ranker, "--json")
    assert ranked.objects[0]["n_tracks_with_vector"] == N_PLAYED  # of the log
    index = VectorIndex.build(table["track_id"].to_list(), vectors)
    assert index.search(vectors[:1], 1)[0][0][0] == table["track_id"][0]


def test_vectors_are_fused_by_weights_and_by_a_head(run: Run, files: Path):
    semantic, fused = files / "semantic.parquet", files / "fused.parquet"
    run("represent", "semantic", "--tracks", files / "tracks.parquet", "--out", semantic)
    parts = (files / "audio.parquet", semantic)
    assert run("represent", "fusion", *parts, "--weight", 3, "--weight", 1, "--out", fused).status == 0
    one, other, both = (pl.read_parquet(file)["vector"].to_numpy() for file in (*parts, fused))
    assert both @ both.T == pytest.approx((3 * one @ one.T + other @ other.T) / 4, abs=1e-4)
    head = run("represent", "fusion", *parts, "--plays", files / "plays.parquet", "--dim", 8, "--out", fused)
    assert head.status == 0, head.err
    assert pl.read_parquet(fused)["vector"].to_numpy().shape == (N_TRACKS, 8)


def test_misuse_is_one_line_and_status_2(run: Run, files: Path):
    out = ("--out", files / "out.parquet")
    alone = files / "alone.csv"
    alone.write_text("user,track\nu,t1\nv,t2\n")
    for words, said in (
        (("eges", "--plays", alone), "a session of two tracks"),
        (("graphsage", "--plays", files / "plays.parquet"), "side information or audio"),
        (("item2vec", "--plays", files / "none.parquet"), "none.parquet"),
        (("semantic", "--tracks", files / "tracks.parquet", "--category", "mood"), "'mood'"),
        (("semantic",), "tracks or vectors"),
        (("fusion", files / "audio.parquet"), "two tables"),
    ):
        ran = run("represent", *words, *out)
        assert ran.status == 2, ran.err
        assert said in ran.err
    assert run("similar", "t1", "--vectors", files / "audio.parquet", "--genre", "rock").status == 2
    assert run("similar", "nothing", "--vectors", files / "audio.parquet").status == 2
    assert run("recall", "nobody", "--plays", files / "plays.parquet", "--vectors", files / "audio.parquet").status == 2
