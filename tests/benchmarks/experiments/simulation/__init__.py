"""Simulation of thirty days of recall, scoring, ranking and listening in the simulated world."""
