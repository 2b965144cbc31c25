"""What is heard in the tracks of a catalogue, tempo, key and loudness: measured, and written into the files' tags."""
