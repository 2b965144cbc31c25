"""A catalogue of eighteen made tracks with vectors, for tests of what is done with tracks: no sound, no network."""

from pathlib import Path

import numpy as np

from audio_engine import Catalogue, Tags
from audio_engine.catalogue.track import DIM, Embedded
from audio_engine.embedding.models import shipped_model_id

GENRES = ("Chiptune", "Drums", "Plucked")
N_ARTISTS, N_TRACKS = 3, 2
DURATION_S = 3.0


def write_catalogue(directory: Path, music: Path) -> Path:
    """Write a catalogue whose tracks would lie in a folder: `GENRE ARTIST TRACK.flac`, alike by genre, then artist."""
    rng = np.random.default_rng(7)
    changes = []
    for genre in GENRES:
        of_genre = rng.standard_normal(DIM)
        for artist in range(N_ARTISTS):
            of_artist = of_genre + 0.5 * rng.standard_normal(DIM)
            for track in range(N_TRACKS):
                title = f"{genre} {artist} {track}"
                tags = Tags(title=title, artist=f"{genre} artist {artist}", genre=genre, duration_s=DURATION_S)
                changes.append(embedded(music / f"{title}.flac", tags, of_artist + 0.3 * rng.standard_normal(DIM)))
    with Catalogue(directory) as catalogue:
        catalogue.set_model(shipped_model_id())
        catalogue.write(changes)
    return directory


def embedded(path: Path, tags: Tags, vector: np.ndarray) -> Embedded:
    """Describe a track as if its file had been embedded."""
    return Embedded(
        path=path,
        content_hash=f"hash of {path}",
        file_size=1,
        mtime_ns=1,
        tags=tags,
        model_id=shipped_model_id(),
        vector=(vector / np.linalg.norm(vector)).astype(np.float32),
    )
