"""How well does a frozen vector tell genres: datasets, protocols, encoders, classifiers, and the report."""
