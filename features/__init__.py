"""The audio front end: decoding, resampling, cutting into segments, and the log-mel spectrogram."""
