"""Training of the encoder and the user tower on audio, makers and play logs."""
