"""Networks and their training: the audio encoder, its checkpoint, metric learning."""
