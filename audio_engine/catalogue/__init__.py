"""The catalogue: tracks, tags, vectors and failures in one SQLite file."""
