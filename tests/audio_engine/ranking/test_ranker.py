import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from audio_engine.ranking.config import RankerConfig
from audio_engine.ranking.counts import KEYS
from audio_engine.ranking.features import make_fields
from audio_engine.ranking.ranker import Ranker, learning_rows
from audio_engine.ranking.tables import read_known, read_log
from audio_engine.ranking.training import forget
from metric_learning.model_files import RecipeMismatchError
from tests.audio_engine.ranking.planted import DIM, planted_log, vectors_column

CONFIG = RankerConfig(n_epochs=8, batch_size=256, learning_rate=5e-3)
SPLIT = 80.0  # days


@pytest.fixture(scope="module")
def world() -> dict[str, pl.DataFrame]:
    return planted_log()


@pytest.fixture(scope="module")
def ranker(world: dict[str, pl.DataFrame]) -> Ranker:
    return trained(world, CONFIG)


def trained(world: dict[str, pl.DataFrame], config: RankerConfig, **tables: pl.DataFrame | None) -> Ranker:
    early = world["plays"].filter(pl.col("day") < SPLIT)
    rest = {name: world[name] for name in ("tracks", "users", "user_vectors")}
    return Ranker.train(early, **(rest | tables), config=config)


def later_auc(world: dict[str, pl.DataFrame], ranker: Ranker, rows: pl.DataFrame | None = None) -> float:
    later = world["plays"].filter((pl.col("day") >= SPLIT) & (pl.col("action") != "none"))
    liked = (later["action"] == "like").to_numpy()
    predicted = ranker.predict(later.select("user", "track") if rows is None else rows)
    ranks = pl.Series(predicted).rank().to_numpy()
    n = liked.sum()
    return float((ranks[liked].sum() - n * (n + 1) / 2) / (n * (~liked).sum()))


@pytest.mark.parametrize("network", ["deepfm", "dcn"])
def test_a_planted_taste_is_found_from_sound(world: dict[str, pl.DataFrame], network: str) -> None:
    assert later_auc(world, trained(world, replace(CONFIG, network=network))) > 0.9  # type: ignore[arg-type]


def test_sound_alone_tells_where_no_id_is_known(world: dict[str, pl.DataFrame], ranker: Ranker) -> None:
    later = world["plays"].filter((pl.col("day") >= SPLIT) & (pl.col("action") != "none"))
    renamed = later.select("user", pl.concat_str(pl.lit("new "), "track").alias("track"))
    new = world["tracks"].select(pl.concat_str(pl.lit("new "), "track").alias("track"), "vector")
    assert later_auc(world, ranker.updated(tracks=new), renamed) > 0.9
    assert later_auc(world, ranker, renamed) < 0.6  # and without it nothing is known of them


def test_without_sound_ids_and_counts_are_all_there_is(world: dict[str, pl.DataFrame]) -> None:
    deaf = trained(world, replace(CONFIG, audio=False))
    assert deaf.recipe.vector_dim == 0
    other = world["tracks"].with_columns(vector=vectors_column(np.ones((len(world["tracks"]), DIM))))
    same = trained(world, replace(CONFIG, audio=False), tracks=other)
    rows = world["plays"].head(50)
    assert (deaf.predict(rows) == same.predict(rows)).all()


def test_probabilities_mean_what_they_say(world: dict[str, pl.DataFrame], ranker: Ranker) -> None:
    later = world["plays"].filter((pl.col("day") >= SPLIT) & (pl.col("action") != "none"))
    predicted = ranker.predict(later)
    assert ((predicted >= 0) & (predicted <= 1)).all()
    assert predicted.mean() == pytest.approx((later["action"] == "like").mean(), abs=0.05)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    world: dict[str, pl.DataFrame], ranker: Ranker
) -> None:
    again, other = trained(world, CONFIG), trained(world, replace(CONFIG, seed=1))
    own = ranker.network.state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in again.network.state_dict().items())
    assert not all(torch.equal(own[name], tensor) for name, tensor in other.network.state_dict().items())


def test_saved_and_loaded_it_says_the_same(world: dict[str, pl.DataFrame], ranker: Ranker, tmp_path: Path) -> None:
    ranker.save(tmp_path / "a")
    loaded = Ranker.load(tmp_path / "a")
    assert (loaded.predict(world["plays"]) == ranker.predict(world["plays"])).all()
    loaded.save(tmp_path / "b")
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    more = world["plays"].filter(pl.col("day") >= SPLIT)
    assert (loaded.updated(plays=more).predict(more) == ranker.updated(plays=more).predict(more)).all()


def test_a_damaged_ranker_is_refused_by_name(ranker: Ranker, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="a ranker must be a folder"):
        Ranker.load(tmp_path)
    ranker.save(tmp_path)
    (tmp_path / "ranker.safetensors").write_bytes(b"no")
    with pytest.raises(RecipeMismatchError, match="must be whole"):
        Ranker.load(tmp_path)


def test_a_folder_of_something_else_is_not_overwritten(ranker: Ranker, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(FileExistsError, match="other files than a ranker's"):
        ranker.save(tmp_path)
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_anyone_and_anything_may_be_unknown(ranker: Ranker) -> None:
    rows = pl.DataFrame({"user": ["u0", "nobody", "nobody"], "track": ["nothing", "t0", "nothing"]})
    predicted = ranker.predict(rows)
    assert np.isfinite(predicted).all()
    assert len(ranker.predict(rows.clear())) == 0


def test_an_answer_depends_on_its_own_row_only(world: dict[str, pl.DataFrame], ranker: Ranker) -> None:
    rows = world["plays"].head(200)
    order = np.random.default_rng(0).permutation(200)
    assert np.allclose(ranker.predict(rows)[order], ranker.predict(rows[order]), atol=1e-6)


def test_what_it_is_told_moves_what_it_says_and_leaves_the_old_ranker_alone() -> None:
    rng = np.random.default_rng(0)
    track, day = rng.integers(60, size=4_000), np.sort(rng.uniform(0, 100, 4_000))
    loved = rng.random(4_000) < np.where(track % 2, 0.9, 0.1)  # half of the tracks are good, to all
    plays = pl.DataFrame(
        {
            "user": [f"u{i}" for i in rng.integers(100, size=4_000)],
            "track": [f"t{i}" for i in track],
            "day": day,
            "action": np.where(loved, "like", "skip"),
        }
    )
    config = replace(CONFIG, unknown_tracks=0.5)
    ranker = Ranker.train(plays, tracks=plays.select("track").unique(), config=config)
    asked = pl.DataFrame({"user": [f"u{i}" for i in range(60)], "track": ["fresh"] * 60})
    listened = pl.DataFrame({"user": ["someone"] * 40, "track": ["fresh"] * 40, "day": [110.0] * 40})
    liked = ranker.updated(plays=listened.with_columns(action=pl.lit("like")))
    skipped = ranker.updated(plays=listened.with_columns(action=pl.lit("skip")))
    predicted = ranker.predict(asked)
    assert liked.predict(asked).mean() > predicted.mean() > skipped.predict(asked).mean()
    assert (ranker.predict(asked) == predicted).all()
    assert liked.day == 110.0 > ranker.day


def test_a_vector_of_a_later_day_is_never_read_in_training(world: dict[str, pl.DataFrame]) -> None:
    later = world["user_vectors"].with_columns(day=pl.lit(50.0))
    known = read_known(world["tracks"], None, later)
    rows = learning_rows(read_log(world["plays"]), known)
    has_vector = rows["user_vector_place"].is_not_null()
    assert (has_vector == (rows["day"] >= 50.0)).all()
    assert 0 < has_vector.sum() < len(rows)


def test_forgetting_takes_ids_and_their_counts_and_nothing_else(world: dict[str, pl.DataFrame], ranker: Ranker) -> None:
    fields = make_fields(learning_rows(read_log(world["plays"]), ranker.known), ranker.known, ranker.recipe)
    unplayed = torch.from_numpy(ranker.recipe.unplayed_numbers())
    config = replace(CONFIG, unknown_tracks=0.5, unknown_users=0.5, vector_dropout=0.0)
    seen = forget(fields, unplayed=unplayed, config=config, generator=torch.Generator().manual_seed(0))
    no_user, no_track, no_artist = (seen.categories[:, i] == 0 for i in range(3))
    assert 0.45 < no_track.float().mean() < 0.55
    assert not (no_artist & ~no_track).any()
    assert torch.equal(seen.categories[:, 3:], fields.categories[:, 3:])
    assert torch.equal(seen.vectors, fields.vectors)
    names = ranker.recipe.number_names
    for i, key in enumerate(KEYS):
        assert names[2 * i] == f"{key}_log_plays"
        gone = {"user": no_user, "track": no_track, "artist": no_artist, "user_artist": no_user | no_artist}[key]
        assert (seen.numbers[gone, 2 * i : 2 * i + 2] == unplayed[2 * i : 2 * i + 2]).all()
        assert torch.equal(seen.numbers[~gone, 2 * i : 2 * i + 2], fields.numbers[~gone, 2 * i : 2 * i + 2])
    assert torch.equal(seen.numbers[:, 2 * len(KEYS) :], fields.numbers[:, 2 * len(KEYS) :])


def test_a_category_of_which_nothing_is_known_is_no_hindrance(world: dict[str, pl.DataFrame]) -> None:
    users = world["users"].with_columns(age=pl.lit(None, pl.Int64))
    ranker = trained(world, replace(CONFIG, n_epochs=1, min_steps=1), users=users)
    assert np.isfinite(ranker.predict(world["plays"].head(5))).all()


def test_a_number_of_the_users_is_read_in_bins_and_may_be_missing(
    world: dict[str, pl.DataFrame], tmp_path: Path
) -> None:
    names = world["plays"]["user"].unique().sort()
    joined = pl.Series(np.random.default_rng(0).permutation(len(names)) - 300)
    users = pl.DataFrame({"user": names, "joined_day": joined, "age_band": joined % 5})
    ranker = trained(world, replace(CONFIG, n_epochs=1, min_steps=1), users=users)
    ranker.save(tmp_path / "ranker")
    loaded = Ranker.load(tmp_path / "ranker")
    assert len(loaded.recipe.values["joined_day"]) == len(loaded.recipe.edges["joined_day"]) + 1 == 16
    assert loaded.recipe.values["age_band"] == list("01234")
    rows = pl.DataFrame({"user": [names[0], "new"], "track": ["t0", "t0"]})
    assert np.isfinite(loaded.predict(rows)).all()


def test_a_play_without_an_action_is_no_example(world: dict[str, pl.DataFrame], ranker: Ranker) -> None:
    rows = learning_rows(read_log(world["plays"]), ranker.known)
    assert len(rows) == (world["plays"]["action"] != "none").sum()


@pytest.mark.parametrize(
    ("table", "broken", "message"),
    [
        ("plays", {"drop": "action"}, "plays must have a column 'action'"),
        ("plays", {"drop": "user"}, "plays must have a column 'user'"),
        ("tracks", {"drop": "track"}, "tracks must have a column 'track'"),
        ("users", {"drop": "user"}, "users must have a column 'user'"),
        ("plays", {"action": "love"}, "action of plays must be one of none, like, dislike, skip, got 'love'"),
        ("plays", {"action": "like"}, "plays must hold likes and rejections"),
        ("users", {"user": "u0"}, "user of users must come once"),
        ("users", {"track_likes": 1}, "a category of users must not be called 'track_likes'"),
        ("tracks", {"track": None}, "track of tracks must be given in every row"),
        (
            "user_vectors",
            {"drop": "vector"},
            "vector of user_vectors must be of the length of the tracks' vectors, 8, got 0",
        ),
        ("user_vectors", {"vector": [float("nan")] * DIM}, "vector of user_vectors must be finite"),
    ],
)
def test_a_bad_table_is_refused_by_its_name_and_column(
    world: dict[str, pl.DataFrame], table: str, broken: dict[str, object], message: str
) -> None:
    bad = world[table]
    for name, value in broken.items():
        bad = bad.drop(str(value)) if name == "drop" else bad.with_columns(pl.lit(value).alias(name))
    tables = {name: bad if name == table else world[name] for name in ("plays", "tracks", "users", "user_vectors")}
    plays = tables.pop("plays")
    with pytest.raises(ValueError, match=re.escape(message)):
        Ranker.train(plays, **tables, config=CONFIG)


def test_a_table_to_predict_without_a_track_is_refused(ranker: Ranker) -> None:
    with pytest.raises(ValueError, match="table must have a column 'track', got user"):
        ranker.predict(pl.DataFrame({"user": ["u0"]}))


def test_a_config_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="network must be one of deepfm, dcn, got 'mlp'"):
        RankerConfig(network="mlp")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dim must be at least 1, got 0"):
        RankerConfig(dim=0)
    with pytest.raises(ValueError, match="unknown_tracks must be at least 0 and below 1, got 1"):
        RankerConfig(unknown_tracks=1)
