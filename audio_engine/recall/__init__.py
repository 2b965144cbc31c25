"""Recall: from a listener's plays to the tracks to show, and from a track to the listeners to show it to."""
