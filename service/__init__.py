"""The HTTP service on the engine (FastAPI): `service.app.create_app`."""
