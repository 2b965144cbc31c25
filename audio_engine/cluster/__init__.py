"""Beyond one machine: listings, URIs and tables of vectors; embedding on a Ray cluster, and bringing its tables in."""
