"""Write the index files that must always load: ``python -m tests.index.write_saved_indexes``, once per format."""

from pathlib import Path
from unittest.mock import patch

from index import building
from index.files import FORMAT_VERSION
from index.vector_index import VectorIndex
from tests.index.twin import clustered, names

KINDS = {"exact": "exact", "inverted": "inverted", "inverted-4-bit": "inverted", "compressed": "compressed"}
N_TRACKS = 120


def made(name: str) -> VectorIndex:
    """Make a small index of synthetic vectors."""
    four_bits_from = 1 if name.endswith("4-bit") else N_TRACKS + 1
    with patch.object(building, "FOUR_BITS_FROM", four_bits_from):
        return VectorIndex.build(names(N_TRACKS), clustered(N_TRACKS), kind=KINDS[name], recall=0.9)


if __name__ == "__main__":
    folder = Path(__file__).parent / "saved"
    folder.mkdir(exist_ok=True)
    for name in KINDS:
        path = folder / f"{name}-version-{FORMAT_VERSION}.index"
        if path.exists():
            raise SystemExit(f"{path} must not be there yet: files of a released version are never written again")
        made(name).save(path)
