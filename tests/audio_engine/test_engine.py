"""The engine end to end, from a folder of files to search: new, changed, moved, copied, broken and deleted files."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import audio_engine.ingest.ingest as ingest_module
from audio_engine import DecodeError, Engine, UnknownTrackError
from audio_engine.decoding.pool import DecoderPool
from audio_engine.embedding.embedding import EmbedResult
from audio_engine.embedding.profile import profile_embedding
from metric_learning import user_checkpoint
from metric_learning.checkpoint import load_checkpoint, save_checkpoint
from metric_learning.embedder import Embedder
from metric_learning.model_files import DEFAULT_MODEL_DIR, RecipeMismatchError
from metric_learning.user_checkpoint import load_user_tower, save_user_tower
from tests.dying_worker import DyingPool
from tests.sounds import melody, write_sound


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    for seed in range(4):
        write_sound(folder / f"{seed}.flac", seed=seed)
    return folder


def statuses(results: Iterator[EmbedResult]) -> dict[str, str]:
    return {result.path.name: result.status for result in results}


def test_a_folder_is_embedded_once(engine: Engine, music: Path) -> None:
    assert statuses(engine.embed(music)) == dict.fromkeys(("0.flac", "1.flac", "2.flac", "3.flac"), "embedded")
    assert statuses(engine.embed(music)) == {}
    assert len(engine.plan(music).unchanged) == 4
    assert engine.info().n_tracks == 4
    for track in engine.tracks():
        assert np.linalg.norm(engine.vector(track.track_id)) == pytest.approx(1, abs=1e-5)


def test_an_engine_ready_for_many_answers_the_same_until_it_is_closed(tmp_path: Path, music: Path) -> None:
    n_threads = torch.get_num_threads()
    with Engine.open(tmp_path / "catalogue") as engine:
        list(engine.embed(music))
        track, alone = engine.find(music / "1.flac"), engine.similar(music / "1.flac")
        engine.serve_many(n_workers=1)
        assert (engine.n_tracks, torch.get_num_threads(), engine.search.is_at_hand()) == (4, 1, True)
        assert engine.similar(music / "1.flac") == alone
        assert engine.track(track.track_id) == track
        with pytest.raises(UnknownTrackError, match="track_id must be in the catalogue"):
            engine.track(str(music / "1.flac"))  # no path, whatever lies there
        assert set(engine.search.track_vectors([track.track_id, "nobody"])) == {track.track_id}
    assert torch.get_num_threads() == n_threads


def test_only_what_is_new_or_changed_is_embedded_again(engine: Engine, music: Path) -> None:
    list(engine.embed(music))
    before = engine.vector(music / "1.flac")
    track_id = engine.find(music / "1.flac").track_id
    write_sound(music / "1.flac", seed=11)
    write_sound(music / "new.flac", seed=12)
    assert statuses(engine.embed(music)) == {"1.flac": "embedded", "new.flac": "embedded"}
    assert engine.find(music / "1.flac").track_id == track_id
    assert before @ engine.vector(music / "1.flac") < 0.9999


def test_force_embeds_all_again_to_the_same_vectors(engine: Engine, music: Path) -> None:
    list(engine.embed(music))
    before = engine.catalogue.vectors(engine.embedder.model_id)[1]
    assert Counter(statuses(engine.embed(music, force=True)).values()) == {"embedded": 4}
    np.testing.assert_allclose(engine.catalogue.vectors(engine.embedder.model_id)[1], before, atol=1e-5)


def test_a_file_that_is_moved_keeps_its_id_and_is_not_decoded(
    engine: Engine, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(engine.embed(music))
    track_id = engine.find(music / "1.flac").track_id
    (music / "deep" / "er").mkdir(parents=True)
    (music / "1.flac").rename(music / "deep" / "er" / "one.flac")
    monkeypatch.setattr(DecoderPool, "read", lambda pool, path: pytest.fail(f"{path} was decoded"))
    assert statuses(engine.embed(music)) == {"one.flac": "moved"}
    assert engine.find(music / "deep" / "er" / "one.flac").track_id == track_id
    assert engine.info().n_tracks == 4


def test_a_copy_is_a_track_of_its_own_and_shares_a_place_in_the_answer(engine: Engine, music: Path) -> None:
    shutil.copy(music / "1.flac", music / "1 again.flac")
    list(engine.embed(music))
    assert len(engine.tracks()) == 5
    assert [n.track.path.name for n in engine.similar(music / "1.flac")].count("1 again.flac") == 0
    answer = engine.similar(music / "0.flac")
    assert len(answer) == 3
    names = {(n.track.path.name, *(copy.path.name for copy in n.copies)) for n in answer if n.copies}
    assert names in ({("1.flac", "1 again.flac")}, {("1 again.flac", "1.flac")})


def test_a_file_that_vanished_is_kept_until_pruned(engine: Engine, music: Path) -> None:
    list(engine.embed(music))
    (music / "2.flac").unlink()
    assert statuses(engine.embed(music)) == {"2.flac": "missing"}
    assert engine.info().n_tracks == 4
    assert statuses(engine.embed(music, prune=True)) == {"2.flac": "pruned"}
    assert engine.info().n_tracks == 3
    assert statuses(engine.embed(music, prune=True)) == {}


def test_a_folder_that_is_not_there_is_an_error_and_prunes_nothing(engine: Engine, music: Path) -> None:
    list(engine.embed(music))
    music.rename(music.with_name("unmounted"))
    with pytest.raises(FileNotFoundError):
        engine.embed(music, prune=True)
    assert engine.info().n_tracks == 4


def test_whatever_is_in_a_folder_the_run_goes_on(engine: Engine, music: Path) -> None:
    (music / "empty.mp3").write_bytes(b"")
    (music / "text.mp3").write_text("la la la")
    (music / "cover.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    soundfile.write(music / "one sample.wav", np.ones(1), 44_100)
    soundfile.write(music / "silence.wav", np.zeros(44_100), 44_100)
    soundfile.write(music / "nan.wav", np.full(44_100, np.nan), 44_100, subtype="FLOAT")
    soundfile.write(music / "loud.wav", melody(2) * 1e30, 44_100, subtype="FLOAT")
    os.mkfifo(music / "pipe.mp3")
    (music / "loop").symlink_to(music)
    (music / "nowhere.mp3").symlink_to(music / "not there")
    odd = [music / "näme 🎵\nwith a break.flac", Path(os.fsdecode(bytes(music) + b"/caf\xe9.flac"))]
    for seed, path in enumerate(odd):
        shutil.copy(write_sound(music / "tmp.flac", seed=20 + seed), path)
    (music / "tmp.flac").unlink()
    results = list(engine.embed(music))
    failed = {result.path.name: result.error for result in results if result.status == "failed"}
    assert set(failed) >= {"empty.mp3", "text.mp3", "one sample.wav", "silence.wav", "nan.wav", "pipe.mp3"}
    assert all(error and "\n" not in error for error in failed.values())
    assert {result.path for result in results if result.status == "embedded"} >= {*odd, music / "loud.wav"}
    assert {track.path.name for track in engine.errors()} == set(failed)
    assert engine.similar(odd[1])
    assert statuses(engine.embed(music)) == {}  # what failed is tried again only when asked
    (music / "text.mp3").unlink()
    write_sound(music / "silence.wav", seed=33)
    retried = statuses(engine.retry())
    assert retried["silence.wav"] == "embedded"
    assert retried["empty.mp3"] == "failed"
    assert retried["text.mp3"] == "missing"


def test_a_file_that_may_not_be_read_is_recorded(engine: Engine, music: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (music / "1.flac").chmod(0)
    assert statuses(engine.embed(music))["1.flac"] == "failed"


def test_a_decoder_that_dies_costs_one_file_of_the_run(
    engine: Engine, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sound(music / "segfault.flac", seed=7)
    write_sound(music / "hang.flac", seed=8)

    monkeypatch.setattr(ingest_module, "DecoderPool", DyingPool)
    results = {result.path.name: result for result in engine.embed(music)}
    assert Counter(result.status for result in results.values()) == {"embedded": 4, "failed": 2}
    assert "SIGSEGV" in results["segfault.flac"].error
    assert "hung" in results["hang.flac"].error


def test_batches_that_fill_across_tracks_give_the_vectors_of_each_track_alone(
    engine: Engine, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(engine.embed(music))
    alone = engine.catalogue.vectors(engine.embedder.model_id)[1]
    monkeypatch.setattr(Embedder, "wants_batches", True)  # as on a GPU
    assert Counter(statuses(engine.embed(music, force=True)).values()) == {"embedded": 4}
    np.testing.assert_allclose(engine.catalogue.vectors(engine.embedder.model_id)[1], alone, atol=1e-5)


def test_a_budget_keeps_fewer_processors_busy_and_lets_them_rest(
    engine: Engine, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("audio_engine.embedding.embedding.sleep", slept.append)
    assert len(statuses(engine.embed(music, n_workers=2, cpu_budget=0.25))) == 4
    assert len(slept) == 4
    assert min(slept) > 0
    with pytest.raises(ValueError, match=r"cpu_budget must be above 0 and at most 1, got 50 \(is it in per cent"):
        list(engine.embed(music, cpu_budget=50))


def test_a_profile_says_where_the_time_goes(engine: Engine, music: Path) -> None:
    (music / "text.mp3").write_text("la la la")
    profile = profile_embedding(sorted(music.iterdir()), engine.embedder)
    assert min(profile.read, profile.resample, profile.mel, profile.network, profile.write) > 0
    assert profile.total < 10
    assert 0 < profile.decode_share < 1
    with pytest.raises(DecodeError, match="got none among 1 that were tried"):
        profile_embedding([music / "text.mp3"], engine.embedder)


def test_closing_the_iterator_keeps_what_was_yielded(engine: Engine, music: Path) -> None:
    for seed in range(10, 30):
        write_sound(music / f"{seed}.flac", seed=seed)
    results = engine.embed(music)
    first = next(results)
    results.close()
    assert engine.find(first.path).status == "embedded"
    done = engine.info().n_tracks
    assert 1 <= done < 24
    assert len(statuses(engine.embed(music))) == 24 - done


def test_a_file_that_is_not_in_the_catalogue_is_embedded_on_the_spot(
    engine: Engine, music: Path, tmp_path: Path
) -> None:
    list(engine.embed(music))
    stranger = write_sound(tmp_path / "stranger.ogg", seed=2)
    answer = engine.similar(stranger, k=1)
    assert engine.info().n_tracks == 4
    assert answer[0].similarity <= 1
    with pytest.raises(UnknownTrackError, match="no such thing"):
        engine.similar("no such thing")
    (tmp_path / "text.mp3").write_text("la la la")
    with pytest.raises(DecodeError):
        engine.similar(tmp_path / "text.mp3")


def test_a_path_leads_from_one_track_to_the_other(engine: Engine, music: Path) -> None:
    list(engine.embed(music))
    steps = engine.path(music / "0.flac", music / "3.flac", n=4)
    assert [steps[0].track.path.name, steps[-1].track.path.name] == ["0.flac", "3.flac"]
    assert len({step.track.track_id for step in steps}) == len(steps)
    expected = engine.vector(steps[0].track.track_id) @ engine.vector(steps[1].track.track_id)
    assert steps[1].similarity == pytest.approx(float(expected), abs=1e-6)


def test_a_track_that_is_removed_is_no_longer_found(engine: Engine, music: Path) -> None:
    list(engine.embed(music))
    removed = engine.find(music / "1.flac")
    assert engine.similar(music / "0.flac")
    engine.remove(removed.track_id)
    assert removed.track_id not in {n.track.track_id for n in engine.similar(music / "0.flac")}
    with pytest.raises(UnknownTrackError):
        engine.remove(music / "0.flac", "not there")
    assert engine.info().n_tracks == 3


def answer(engine: Engine, music: Path) -> list[tuple[str, float]]:
    return [(neighbour.track.track_id, neighbour.similarity) for neighbour in engine.similar(music / "0.flac")]


@pytest.fixture
def other_model(tmp_path: Path) -> Path:
    encoder, recipe = load_checkpoint(DEFAULT_MODEL_DIR)
    with torch.no_grad():
        next(encoder.parameters()).mul_(1.5)
    save_checkpoint(tmp_path / "model", encoder, recipe)
    return tmp_path / "model"


def test_a_model_change_answers_with_the_old_vectors_until_it_is_done(
    engine: Engine, music: Path, other_model: Path
) -> None:
    list(engine.embed(music))
    old, before = engine.info().model_id, answer(engine, music)
    new = engine.use_model(other_model)
    assert (engine.info().model_id, engine.info().target_model_id, engine.info().n_pending) == (old, new, 4)
    assert answer(engine, music) == before
    results = engine.embed()
    next(results)
    results.close()
    assert engine.info().model_id == old
    assert answer(engine, music) == before
    list(engine.embed())
    assert (engine.info().model_id, engine.info().target_model_id, engine.info().n_pending) == (new, None, 0)
    assert engine.embedder.model_id == new
    assert engine.catalogue.vectors(old or "")[0] == []


def test_a_user_tower_of_an_older_version_is_replaced_by_use_model(
    engine: Engine, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(engine.embed(music / "0.flac"))
    kept = engine.directory / "models" / (engine.info().model_id or "")
    tower, track_ids = load_user_tower(kept)
    with monkeypatch.context() as older:
        older.setattr(user_checkpoint, "FORMAT_VERSION", 2)
        save_user_tower(kept, tower, track_ids)
    with pytest.raises(RecipeMismatchError, match=r"must be 3, got 2 .*audio-engine use-model"):
        load_user_tower(kept)
    engine.use_model()
    assert load_user_tower(kept)[1] == track_ids
    assert engine.info().n_pending == 0


def test_a_catalogue_keeps_its_own_copy_of_its_model(engine: Engine, music: Path, other_model: Path) -> None:
    engine.use_model(other_model)
    shutil.rmtree(other_model)
    list(engine.embed(music))
    with Engine.open(engine.directory) as again:
        assert len(again.similar(music / "0.flac")) == 3
