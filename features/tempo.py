"""Tempo of a piece of music, from how its onsets repeat.

librosa tells how strongly notes begin at each moment and how that repeats (the tempogram). Of all tempos the one is
taken whose beat and whose double beat repeat most, where tempos near 120 are a little more probable beforehand: music
says how fast its notes are, and only habit says which of them are the beats. So half and double the tempo are the
usual errors; `docs/experiments/description.md` has their number.

References
----------
P. Grosche, M. Müller, F. Kurth, Cyclic tempogram: a mid-level tempo representation for music signals, ICASSP 2010.
D. P. W. Ellis, Beat tracking by dynamic programming, Journal of New Music Research 36(1), 2007: the prior.
"""

import librosa
import numpy as np
from numpy.typing import NDArray

HOP_LENGTH = 512  # samples: 23 ms at 22,050 Hz
WINDOW_S = 8.0  # seconds in which onsets repeat
TEMPOS_BPM = np.geomspace(40.0, 240.0, 600)  # 0.3 % apart
USUAL_BPM, SPREAD_OCTAVES = 120.0, 1.0  # of the prior, a normal distribution of the logarithm
MIN_REPETITION = 0.1  # autocorrelation of the onsets, at most 1: noise has less


def estimate_tempo(waveform: NDArray[np.float32], sample_rate: int) -> float | None:
    """Estimate the tempo of a piece.

    Parameters
    ----------
    waveform : (n_samples,)
        Mono.
    sample_rate
        Hz.

    Returns
    -------
    bpm
        Beats a minute, from 40 to 240; None where nothing repeats, or the piece is too short to tell.
    """
    frames_s = sample_rate / HOP_LENGTH
    window = round(WINDOW_S * frames_s)
    if len(waveform) < WINDOW_S * sample_rate:
        return None
    onsets = librosa.onset.onset_strength(y=waveform, sr=sample_rate, hop_length=HOP_LENGTH, aggregate=np.median)
    if not onsets.any():
        return None
    repetition = librosa.feature.tempogram(
        onset_envelope=onsets, sr=sample_rate, hop_length=HOP_LENGTH, win_length=window
    ).mean(axis=1)
    lags = 60.0 * frames_s / TEMPOS_BPM  # frames from one beat to the next
    of_beat = np.interp(lags, np.arange(window), repetition)
    of_two = np.interp(2.0 * lags, np.arange(window), repetition)
    prior = np.exp(-0.5 * (np.log2(TEMPOS_BPM / USUAL_BPM) / SPREAD_OCTAVES) ** 2)
    best = int(np.argmax((of_beat + of_two) * prior))
    return float(TEMPOS_BPM[best]) if max(of_beat[best], of_two[best]) >= MIN_REPETITION else None
