"""Evaluations on users' own data: audio similarity, cold start, sensitivity to audio, and the genre benchmark."""
