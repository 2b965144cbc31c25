"""Ingest: folders, tables and uploads become tracks of the catalogue."""
