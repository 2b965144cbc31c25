"""Key of a piece of music: which of the 24 its notes fit best.

librosa tells how much of each of the twelve notes is heard (the chromagram of a constant-Q transform, whose bins follow
the tuning of the piece); that is compared with what is known of the notes in pieces of each key.

References
----------
C. L. Krumhansl, Cognitive foundations of musical pitch, Oxford University Press 1990, chapter 4: the comparison.
J. Albrecht, D. Shanahan, The use of large corpora to train a new type of key-finding algorithm, Music Perception
31(1), 2013: the profiles; correlation is used in place of their Euclidean distance.
"""

import librosa
import numpy as np
from numpy.typing import NDArray

from features.description import MAJOR_KEYS, MINOR_KEYS

HOP_LENGTH = 2_048  # samples: 93 ms at 22,050 Hz
N_OCTAVES, BINS_PER_OCTAVE = 6, 36  # from C1, 32.7 Hz
MIN_S = 4.0  # seconds: less is a chord, not a key
# How much of a piece each note makes up, from the tonic upwards.
MAJOR = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
MINOR = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)
MIN_CONTRAST = 0.03  # standard deviation of the twelve over their mean: noise has less, 0.008
MIN_CORRELATION = 0.3  # with the nearest key: drums have less


def estimate_key(waveform: NDArray[np.float32], sample_rate: int) -> str:
    """Estimate the key of a piece.

    Parameters
    ----------
    waveform : (n_samples,)
        Mono.
    sample_rate
        Hz; 22,050 is enough.

    Returns
    -------
    key
        One of `MAJOR_KEYS` or `MINOR_KEYS`; empty where the notes fit none, or the piece is too short to tell.
    """
    if len(waveform) < MIN_S * sample_rate or not waveform.any():
        return ""
    chroma = librosa.feature.chroma_cqt(
        y=waveform, sr=sample_rate, hop_length=HOP_LENGTH, n_octaves=N_OCTAVES, bins_per_octave=BINS_PER_OCTAVE
    )
    notes = np.sqrt(chroma).mean(axis=1)  # the root: a loud note counts little more than a soft one
    if notes.std() < MIN_CONTRAST * notes.mean():
        return ""
    profiles = [np.roll(profile, tonic) for profile in (MAJOR, MINOR) for tonic in range(12)]
    correlations = np.corrcoef(np.stack([notes, *profiles]))[0, 1:]
    best = int(np.argmax(correlations))
    return (*MAJOR_KEYS, *MINOR_KEYS)[best] if correlations[best] >= MIN_CORRELATION else ""
