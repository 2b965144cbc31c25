"""Ablation of the ranker, with and without audio, on warm and on cold tracks."""
