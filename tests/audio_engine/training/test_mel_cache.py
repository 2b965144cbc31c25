from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audio_engine.training import mel_cache
from audio_engine.training.mel_cache import build_mel_store, cache_mels, open_mel_store
from features.decode import decode_segments
from features.mel import LogMel
from features.recipe import MelRecipe

RECIPE = MelRecipe(
    sample_rate=8_000, n_fft=256, win_length=256, hop_length=128, n_mels=16, f_max=4_000.0, segment_s=0.2, n_segments=3
)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    rng = np.random.default_rng(0)
    made = {f"t{i}": tmp_path / f"{i}.wav" for i in range(3)}
    for path in made.values():
        soundfile.write(path, rng.normal(scale=0.1, size=8_000), 8_000)
    made["broken"] = tmp_path / "broken.wav"
    made["broken"].write_text("no sound")
    return made


def test_a_store_holds_the_log_mels_of_what_could_be_read_and_names_the_rest(
    files: dict[str, Path], tmp_path: Path
) -> None:
    predicted = dict(build_mel_store(files, RECIPE, tmp_path / "store"))
    store = open_mel_store(files, RECIPE, tmp_path / "store")
    assert [name for name, error in predicted.items() if error] == ["broken"] == list(store.failed)
    assert store.track_ids == ("t0", "t1", "t2")
    expected = LogMel(RECIPE)(torch.from_numpy(decode_segments(files["t1"], RECIPE).segments)).numpy()
    np.testing.assert_allclose(store.read(("t1",))[0], expected, atol=0.01)


def test_a_killed_build_goes_on_where_it_was_and_a_whole_one_has_nothing_to_do(
    files: dict[str, Path], tmp_path: Path
) -> None:
    build = build_mel_store(files, RECIPE, tmp_path / "store")
    next(build)
    build.close()
    assert len(dict(build_mel_store(files, RECIPE, tmp_path / "store"))) >= 3
    assert dict(build_mel_store(files, RECIPE, tmp_path / "store")) == {}


def test_what_cannot_be_read_is_told_once(files: dict[str, Path], tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        cache_mels([{"t0": files["t0"]}, files], RECIPE, tmp_path / "store", on_progress=said.append)
    assert [text.split(":")[0] for text in said] == ["broken"]


def test_another_recipe_and_a_changed_file_get_another_store(files: dict[str, Path], tmp_path: Path) -> None:
    list(build_mel_store(files, RECIPE, tmp_path / "store"))
    soundfile.write(files["t0"], np.zeros(9_000), 8_000)
    assert open_mel_store(files, RECIPE, tmp_path / "store").track_ids == ()


def test_a_track_that_is_not_there_is_named(files: dict[str, Path], tmp_path: Path) -> None:
    list(build_mel_store(files, RECIPE, tmp_path / "store"))
    with pytest.raises(ValueError, match="got none for 1 of 1: broken"):
        open_mel_store(files, RECIPE, tmp_path / "store").read(("broken",))


def test_what_a_store_lacks_is_counted_and_the_pace_is_told(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, said = tmp_path / "store", list[str]()
    monkeypatch.setattr(mel_cache, "PROGRESS_EVERY", 2)
    assert mel_cache.n_waiting(files, RECIPE, store) == 4
    assert not store.exists()
    cache_mels([files], RECIPE, store, on_progress=said.append)
    assert [text.split(",")[0] for text in said if "log-mels" in text] == [
        "2 of 4 log-mels computed",
        "4 of 4 log-mels computed",
    ]
    assert all(text.endswith(" left") for text in said if "log-mels" in text)
    assert mel_cache.n_waiting(files, RECIPE, store) == 0
