"""Evaluations that anyone can run again: similarity, and cold start."""
