"""Decoding in separate processes: a file that crashes or hangs a decoder fails alone."""
