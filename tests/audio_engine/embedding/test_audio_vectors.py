"""The transformer of scikit-learn gives the engine's vectors, in its order, and keeps scikit-learn's rules."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

from audio_engine import AudioVectors, DecodeError, Embedder, Engine
from tests.sounds import write_sound

RULES = (  # those of scikit-learn that need no table of numbers: `check_estimator` checks nothing else
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_estimator_tags_renamed,
    estimator_checks.check_valid_tag_types,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_set_params,
    estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    estimator_checks.check_mixin_order,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_it_keeps_the_rules_of_scikit_learn(rule: Callable[[str, AudioVectors], None]) -> None:
    rule("AudioVectors", AudioVectors())


def test_the_vectors_are_those_of_the_engine_in_the_order_of_the_paths(engine: Engine, tmp_path: Path) -> None:
    paths = [write_sound(tmp_path / f"{seed}.flac", 4.0, seed=seed) for seed in range(3)]
    transformer = AudioVectors(n_workers=2)
    vectors = transformer.fit_transform([paths[2], str(paths[0]), paths[1]])
    assert vectors.dtype == np.float32
    for vector, path in zip(vectors, (paths[2], paths[0], paths[1]), strict=True):
        np.testing.assert_allclose(vector, engine.vector(path), atol=1e-5)
    again = pickle.loads(pickle.dumps(clone(transformer)))
    np.testing.assert_allclose(again.transform(np.array([str(paths[2])])), vectors[:1], atol=1e-5)


def test_its_columns_have_names(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    path = write_sound(tmp_path / "track.wav")
    table = AudioVectors(n_workers=1).set_output(transform="pandas").fit_transform([path])
    assert isinstance(table, pd.DataFrame)
    assert table.columns.tolist() == [f"audiovectors{n}" for n in range(40)]


def test_a_pipeline_learns_genres_of_files(genre_world: Path) -> None:
    paths = sorted((genre_world / "music").glob("*.flac"))
    genres = [path.name.split()[0] for path in paths]
    by_ear = make_pipeline(AudioVectors(), LogisticRegression())
    new = [path for path in paths if " 2 " in path.name]
    known = [path for path in paths if path not in new]
    by_ear.fit(known, [path.name.split()[0] for path in known])
    assert set(genres) == {*by_ear.classes_}
    assert by_ear.score(new, [path.name.split()[0] for path in new]) == 1.0


def test_a_model_is_named_by_its_folder(tmp_path: Path, embedder: Embedder) -> None:
    path = write_sound(tmp_path / "track.flac")
    folder = Path(embedder.model_id)  # no such folder here
    with pytest.raises(FileNotFoundError, match="a model must be a folder"):
        AudioVectors(model=folder).transform([path])


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    good, bad = write_sound(tmp_path / "good.flac"), tmp_path / "letter.mp3"
    bad.write_text("this is a letter, not a track")
    with pytest.raises(DecodeError, match=r"letter\.mp3: "):
        AudioVectors().transform([good, bad])
    with pytest.raises(FileNotFoundError, match=r"gone\.flac"):
        AudioVectors().transform([good, tmp_path / "gone.flac"])


@pytest.mark.parametrize("wrong", ["track.flac", [], [1.5], np.zeros((2, 3))])
def test_what_is_no_list_of_paths_is_refused(wrong: object) -> None:
    with pytest.raises(TypeError, match="X must be a list of paths of sound files, got"):
        AudioVectors().fit(wrong)  # type: ignore[arg-type]
