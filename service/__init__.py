"""HTTP over the engine (FastAPI): `service.app.create_app`."""
