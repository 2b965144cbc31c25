"""Networks and their training: the audio encoder, the user tower, their checkpoints and metric learning."""
