"""The command line, ``audio-engine``: one module a group of commands, `main` the way in."""
