"""item2vec: gensim's vectors are those of skip-gram with negative sampling in plain loops."""

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from audio_engine.plays.track_matching import name_tracks
from audio_engine.representations.item2vec import Item2VecRecipe, Sentences, train_item2vec
from audio_engine.representations.sessions import SessionRecipe, Sessions, read_sessions

N_TRACKS = 9
SCALE = 1_000 // 6 // 2  # points of gensim's table of the sigmoid in a unit: it divides whole numbers
RECIPE = Item2VecRecipe(
    dim=4, window=3, min_plays=2, n_epochs=3, ns_exponent=0.5, n_negatives=3, learning_rate=0.1, seed=7
)


@pytest.fixture
def toy(tmp_path: Path) -> Sessions:
    rng = np.random.default_rng(0)
    tracks = [
        str(row) for _ in range(40) for row in rng.permutation(8)[: rng.integers(2, 6)] // 2 * 2 + rng.integers(2)
    ]
    log = pl.DataFrame({"user": [f"u{number // 5}" for number in range(len(tracks))], "track": tracks})
    log = pl.concat([log, pl.DataFrame({"user": ["u0"], "track": ["8"]})])  # played once: no vector
    log.write_parquet(tmp_path / "log.parquet")
    names = name_tracks(str(row) for row in range(N_TRACKS)).table
    return read_sessions(tmp_path / "log.parquet", names, N_TRACKS, recipe=SessionRecipe(), folder=tmp_path)


def looked_up_sigmoid(inner: float) -> float:
    """The sigmoid at the point of gensim's table below: a thousand from -6 to 6."""
    point = (int((inner + 6) * SCALE) / 1_000 * 2 - 1) * 6
    return float(1 / (1 + np.exp(-point)))


def skip_gram_in_plain_loops(sentences: list[list[str]], recipe: Item2VecRecipe) -> dict[str, np.ndarray]:
    """Mikolov et al., NIPS 2013, equation 4, by gradient descent, with the random numbers that gensim draws."""
    counts = Counter(word for sentence in sentences for word in sentence)
    often = [word for word in counts if counts[word] >= recipe.min_plays]
    words = [often[place] for place in np.argsort([counts[word] for word in often])[::-1]]  # as gensim breaks ties
    number = {word: place for place, word in enumerate(words)}
    vectors = (np.random.default_rng(recipe.seed).random((len(words), recipe.dim), np.float32) * 2 - 1) / recipe.dim
    contexts = np.zeros_like(vectors)
    powers = np.cumsum([counts[word] ** recipe.ns_exponent for word in words])
    table = np.round(powers / powers[-1] * (2**31 - 1)).astype(np.int64)
    chance = np.random.RandomState(recipe.seed)
    for epoch in range(recipe.n_epochs):
        rate = recipe.learning_rate - (recipe.learning_rate - 0.0001) * epoch / recipe.n_epochs
        state = 2**24 * int(chance.randint(0, 2**24)) + int(chance.randint(0, 2**24))
        known = [[number[word] for word in sentence if word in number] for sentence in sentences]
        shrunk = iter(chance.randint(0, recipe.window, sum(map(len, known))))
        for sentence in known:
            for place, centre in enumerate(sentence):
                reach = recipe.window - int(next(shrunk))
                for other in range(max(0, place - reach), min(len(sentence), place + reach + 1)):
                    if other == place:
                        continue
                    word, change = sentence[other], np.zeros(recipe.dim, np.float32)
                    for negative in range(recipe.n_negatives + 1):
                        target, label = centre, 1.0
                        if negative:
                            target, label = int(np.searchsorted(table, (state >> 16) % int(table[-1]))), 0.0
                            state = (state * 25214903917 + 11) % 2**48
                            if target == centre:
                                continue
                        inner = float(vectors[word] @ contexts[target])
                        step = (label - looked_up_sigmoid(inner)) * rate
                        change += step * contexts[target]
                        contexts[target] += step * vectors[word]
                    vectors[word] += change
    return {word: vectors[place] for word, place in number.items()}


def test_vectors_are_those_of_skip_gram_in_plain_loops(toy: Sessions):
    found = train_item2vec(toy, recipe=RECIPE)
    expected = skip_gram_in_plain_loops(list(Sentences(toy)), RECIPE)
    assert set(np.flatnonzero(found.any(1)).tolist()) == {int(word) for word in expected}
    assert not found[8].any()
    for word, vector in expected.items():
        assert found[int(word)] == pytest.approx(vector / np.linalg.norm(vector), abs=1e-5)


def test_the_same_seed_gives_the_same_vectors(toy: Sessions):
    assert np.array_equal(train_item2vec(toy, recipe=RECIPE), train_item2vec(toy, recipe=RECIPE))


def test_too_few_plays_of_every_track_are_an_error(toy: Sessions):
    with pytest.raises(ValueError, match="1000 plays or more"):
        train_item2vec(toy, recipe=Item2VecRecipe(min_plays=1_000))
    with pytest.raises(ValueError, match="window must be at least 1"):
        Item2VecRecipe(window=0)
