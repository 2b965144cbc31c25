"""Play logs: reading, validation, and matching to tracks."""
