"""A model as an ONNX file gives the vectors of the encoder, in processes that have no torch: Python's and node's."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from audio_engine import AudioVectors, Embedder, export_model
from features.decode import decode_segments
from features.recipe import MelRecipe
from features.segments import cut_segments
from metric_learning.checkpoint import save_checkpoint
from metric_learning.encoder import AudioEncoder
from metric_learning.encoder_config import EncoderConfig
from tests.paths import ROOT, SHARED
from tests.sounds import melody

pytestmark = pytest.mark.slow
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")

TOLERANCE = 1e-4
NO_TORCH = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchaudio", "audio_engine", "metric_learning", "features"}:
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
"""

Graphs = dict[str, Path]


@pytest.fixture(scope="session")
def graphs(build_once: Callable[[str, Callable[[Path], None]], Path]) -> Graphs:
    """The model that ships, by what its graph takes, as the command exports it."""

    def write(folder: Path) -> None:
        command = [sys.executable, "-m", "audio_engine.cli.main", "export-model"]
        for name in ("waveform", "log-mel"):
            subprocess.run([*command, folder / f"{name}.onnx", "--input", name], cwd=ROOT, check=True)
        assert len([*folder.iterdir()]) == 4  # two graphs, two pages

    folder = build_once("onnx", write)
    return {name: folder / f"{name}.onnx" for name in ("waveform", "log-mel")}


@pytest.fixture(scope="module")
def tracks(embedder: Embedder) -> NDArray[np.float32]:
    """Segments of made music: loud, quiet, half silent, noisy, and one short sound repeated."""
    rng = np.random.default_rng(0)
    sounds = [melody(40, seed=seed)[:, 0] for seed in range(3)]
    sounds[1] *= 0.01
    sounds[2][: sounds[2].size // 2] = 0
    sounds += [rng.uniform(-1, 1, 200_000).astype(np.float32), melody(0.5, seed=3)[:, 0]]
    return np.stack([cut_segments(sound, embedder.recipe) for sound in sounds])


def vectors_of(graph: Path, name: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(graph)
    return np.asarray(session.run(None, {name: values})[0])


def test_sound_gives_the_vectors_of_the_encoder(
    graphs: Graphs, tracks: NDArray[np.float32], embedder: Embedder
) -> None:
    np.testing.assert_allclose(
        vectors_of(graphs["waveform"], "segments", tracks), embedder.embed(tracks), rtol=0, atol=TOLERANCE
    )


def test_log_mels_give_the_vectors_of_the_encoder(
    graphs: Graphs, tracks: NDArray[np.float32], embedder: Embedder
) -> None:
    log_mel = embedder.log_mel_of(tracks)
    vectors = vectors_of(graphs["log-mel"], "log_mel", log_mel.numpy())
    np.testing.assert_allclose(vectors, embedder.encode(log_mel), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("shape", [(1, 10), (4, 10), (1, 1), (3, 2)])
def test_any_number_of_tracks_and_of_segments_runs(
    shape: tuple[int, int], graphs: Graphs, tracks: NDArray[np.float32], embedder: Embedder
) -> None:
    some = tracks[: shape[0], : shape[1]]
    expected = embedder.encode(embedder.log_mel_of(some))
    np.testing.assert_allclose(vectors_of(graphs["waveform"], "segments", some), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.skipif(not (SHARED / "audio").is_dir(), reason="../shared/audio is not here")
def test_real_music_gives_the_vectors_of_the_encoder(graphs: Graphs, embedder: Embedder) -> None:
    files = sorted(path for path in (SHARED / "audio").rglob("*") if path.suffix in {".ogg", ".mp3", ".flac", ".opus"})
    chosen = files[:: max(1, len(files) // 12)][:12]
    assert chosen
    segments = np.stack([decode_segments(path, embedder.recipe).segments for path in chosen])
    vectors = vectors_of(graphs["waveform"], "segments", segments)
    np.testing.assert_allclose(vectors, embedder.embed(segments), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["waveform", "log-mel"])
def test_the_file_says_what_its_vectors_are(name: str, graphs: Graphs, embedder: Embedder) -> None:
    facts = onnxruntime.InferenceSession(graphs[name]).get_modelmeta().custom_metadata_map
    assert (facts["model_id"], facts["dim"], facts["licence"]) == (embedder.model_id, "40", "MIT")
    assert json.loads(facts["preprocessing"])["hop_length"] == embedder.recipe.hop_length


def page_code(graph: Path, language: str) -> str:
    """The example of the page beside a graph."""
    page = graph.with_suffix(".README.md").read_text()
    found = re.search(rf"```{language}\n(.*?)```", page, re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize(("name", "tolerance"), [("waveform", TOLERANCE), ("log-mel", 1e-3)])
def test_the_example_of_the_page_runs_without_torch(
    name: str, tolerance: float, graphs: Graphs, tmp_path: Path, embedder: Embedder
) -> None:
    sound = melody(20, seed=4, n_channels=2)
    soundfile.write(tmp_path / "track.flac", sound, 44_100, subtype="PCM_24")
    shutil.copy(graphs[name], tmp_path)
    code = (
        NO_TORCH
        + page_code(graphs[name], "python")
        + '\nassert "torch" not in sys.modules\nnp.save("vector", vector)\n'
    )
    subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, check=True)
    expected = AudioVectors(n_workers=1).transform([tmp_path / "track.flac"])[0]
    np.testing.assert_allclose(np.load(tmp_path / "vector.npy"), expected, rtol=0, atol=tolerance)


def node_modules(package: str) -> Path:
    """The folder that node would take a package from, started in this checkout or told so by NODE_PATH."""
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    script = f"console.log(require.resolve('{package}'))"
    found = subprocess.run(["node", "-e", script], cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"{package} is not installed: npm install {package}")
    return next(folder for folder in Path(found.stdout.strip()).parents if folder.name == "node_modules")


@pytest.mark.parametrize("package", ["onnxruntime-web", "onnxruntime-node"])
@pytest.mark.parametrize("duration_s", [20, 1])
def test_the_example_in_javascript_gives_the_same_vector(
    package: str, duration_s: int, graphs: Graphs, tmp_path: Path, embedder: Embedder
) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules(package))
    (tmp_path / "page.mjs").write_text(page_code(graphs["waveform"], "js").replace("onnxruntime-web", package))
    sound = melody(duration_s, seed=5)[:, 0]
    sound.tofile(tmp_path / "sound.raw")
    (tmp_path / "run.mjs").write_text(f"""
        import * as ort from "{package}";
        import {{ readFileSync }} from "node:fs";
        import {{ vectorOf }} from "./page.mjs";
        const bytes = readFileSync("sound.raw");
        const mono = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
        const session = await ort.InferenceSession.create("{graphs["waveform"]}");
        console.log(JSON.stringify([...await vectorOf(mono, session)]));
    """)
    ran = subprocess.run(["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True)
    expected = embedder.embed(cut_segments(sound, embedder.recipe)[None])[0]
    np.testing.assert_allclose(json.loads(ran.stdout), expected, rtol=0, atol=TOLERANCE)


def test_a_model_of_another_shape_is_exported_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    recipe = MelRecipe(sample_rate=22_050, n_fft=1_024, win_length=1_024, hop_length=512, n_mels=64, f_max=10_000)
    config = EncoderConfig(n_mels=64, frame_rate=22_050 / 512, n_whitened=16, n_filters=24, dim=12)
    save_checkpoint(tmp_path / "model", AudioEncoder(config), recipe)
    page = export_model(tmp_path / "own.onnx", tmp_path / "model", licence="CC0-1.0")
    embedder = Embedder.from_pretrained(tmp_path / "model", device="cpu")
    segments = cut_segments(melody(9, 22_050, seed=6)[:, 0], recipe)[None]
    vectors = vectors_of(tmp_path / "own.onnx", "segments", segments)
    np.testing.assert_allclose(vectors, embedder.embed(segments), rtol=0, atol=TOLERANCE)
    assert "vector of 12 numbers. Licence of the weights: CC0-1.0." in page.read_text()
