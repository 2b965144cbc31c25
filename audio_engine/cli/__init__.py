"""The command line, ``audio-engine``: one module per group of commands; `main` is the entry point."""
