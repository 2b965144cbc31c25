"""Decoding in processes of their own: a file that crashes or hangs a decoder costs one file."""
