"""HTTP over the engine (FastAPI)."""
