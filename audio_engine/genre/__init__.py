"""Genre classification for a catalogue: a classifier trained on labels; the engine holds a `genres.Genres`."""
