"""Genres of a catalogue: labels in, a classifier out; `genres.Genres` is what the engine holds."""
