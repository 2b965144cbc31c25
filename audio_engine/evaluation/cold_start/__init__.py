"""The cold-start benchmark: new tracks find their users from sound alone."""
