"""The first day of a user: how well a handful of plays, and what a partner knows, tell what a user will like."""
