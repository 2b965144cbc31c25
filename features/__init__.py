"""Sound in, log-mel out: decoding, resampling, cutting segments, the log-mel spectrogram."""
