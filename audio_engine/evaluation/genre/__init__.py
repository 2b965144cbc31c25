"""The genre benchmark of frozen vectors: datasets, protocols, encoders, classifiers, and the report."""
