"""Ingest: adds tracks to the catalogue from folders, tables and uploads."""
