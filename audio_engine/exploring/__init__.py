"""What a person looks at: where two songs match, the outline of a song, the map of the catalogue, search by name."""
