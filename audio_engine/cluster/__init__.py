"""Beyond one machine: listings, URIs and tables of vectors; embedding on a Ray cluster and importing its tables."""
