"""Write ``golden_musicnn.json``: the outputs of MusiCNN's released graph, run by TensorFlow itself.

    pip install tensorflow-cpu librosa soundfile av && pip install --no-deps musicnn
    python -m tests.audio_engine.evaluation.genre.golden_musicnn

The graph and the weights of ``MSD_musicnn`` are taken from the package unchanged (TensorFlow 2.21 was used); the
log-mel patches come from `patches`, since the test checks our reimplementation of the network and our reader of its
weights.
"""

import json
from importlib import metadata
from pathlib import Path

import numpy as np

from audio_engine.evaluation.genre.musicnn import patches
from tests.sounds import melody

GOLDEN = Path(__file__).with_name("golden_musicnn.json")
MEAN_POOL, TAGS = "model/moments/Squeeze", "model/Sigmoid"


def sound():
    """Make 6.5 s of plucked notes at 16 kHz: two patches."""
    return melody(6.5, 16_000, seed=0)[:, 0]


def run_released_graph(log_mel):
    """Run the graph of the package: mean pool (n_patches, 753) and tag probabilities (n_patches, 50)."""
    import tensorflow as tf  # noqa: PLC0415  (only whoever writes the file has it)

    v1 = tf.compat.v1
    v1.disable_eager_execution()
    weights = str(metadata.distribution("musicnn").locate_file("musicnn/MSD_musicnn/"))
    saved = v1.MetaGraphDef()
    saved.ParseFromString(Path(weights, ".meta").read_bytes())
    for node in saved.graph_def.node:
        node.attr.pop("_output_shapes", None)  # of 2019, refused today
    graph = v1.graph_util.extract_sub_graph(saved.graph_def, [MEAN_POOL, TAGS])
    tf.import_graph_def(graph, name="")
    checkpoint = v1.train.NewCheckpointReader(weights + "/")
    fed = {f"{node.name}:0": checkpoint.get_tensor(node.name) for node in graph.node if node.op == "VariableV2"}
    fed |= {"model/Placeholder:0": log_mel, "model/Placeholder_2:0": False}
    with v1.Session() as session:
        mean_pool, tags = session.run([f"{MEAN_POOL}:0", f"{TAGS}:0"], fed)
    return np.squeeze(mean_pool, 2), tags


if __name__ == "__main__":
    mean_pool, tags = run_released_graph(patches(sound()))
    rounded = {"mean_pool": mean_pool.round(5).tolist(), "tags": tags.round(6).tolist()}
    GOLDEN.write_text(json.dumps(rounded) + "\n", encoding="utf-8")
