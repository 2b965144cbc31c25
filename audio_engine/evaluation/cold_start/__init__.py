"""The cold-start benchmark: recommending new tracks to users from audio alone."""
