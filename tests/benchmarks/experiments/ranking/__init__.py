"""The ranker with and without sound, on warm and on cold tracks."""
