"""Thirty days of recall, score, rank and listen: a simulation over the simulated world."""
