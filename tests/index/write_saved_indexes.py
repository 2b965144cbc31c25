"""Write the index files that must always load: ``python -m tests.index.write_saved_indexes``, once per format."""

from pathlib import Path

from index.files import FORMAT_VERSION
from index.vector_index import VectorIndex
from tests.index.twin import clustered, names

KINDS = ["exact", "inverted", "compressed"]
N_TRACKS = 120


def made(kind: str) -> VectorIndex:
    """Make a small index of synthetic vectors."""
    return VectorIndex.build(names(N_TRACKS), clustered(N_TRACKS), kind=kind, recall=0.9)


if __name__ == "__main__":
    folder = Path(__file__).parent / "saved"
    folder.mkdir(exist_ok=True)
    for kind in KINDS:
        path = folder / f"{kind}-version-{FORMAT_VERSION}.index"
        if path.exists():
            raise SystemExit(f"{path} must not be there yet: files of a released version are never written again")
        made(kind).save(path)
