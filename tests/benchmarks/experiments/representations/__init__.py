"""Representations compared: what sound, plays and side information say of tracks that users know, and of new ones."""
