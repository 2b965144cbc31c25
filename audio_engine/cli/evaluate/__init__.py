"""The commands that evaluate: similarity, cold start, sensitivity, genre."""
