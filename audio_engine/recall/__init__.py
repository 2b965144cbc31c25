"""Recall: from a user's plays to the tracks to show, and from a track to the users to show it to."""
