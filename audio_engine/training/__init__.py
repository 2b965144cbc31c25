"""Training of encoder and user tower from audio, makers and play logs."""
