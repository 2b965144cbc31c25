"""The demo: a small synthesised catalogue."""
