"""Sample-rate conversion by libsoxr (python-soxr), the resampler of SoX."""

from typing import cast

import numpy as np
import soxr
from numpy.typing import NDArray

QUALITY = "HQ"  # 20-bit precision, pass band to 0.91 of the Nyquist frequency; librosa's default too


def resample(waveform: NDArray[np.float32], from_rate: int, to_rate: int) -> NDArray[np.float32]:
    """Resample a waveform.

    Parameters
    ----------
    waveform : (n_samples,)
        Mono float32.
    from_rate, to_rate
        Sample rates, Hz.

    Returns
    -------
    waveform : (round(n_samples * to_rate / from_rate),)
        The same array if the rates are equal.

    Examples
    --------
    >>> resample(np.zeros(44_100, np.float32), 44_100, 16_000).shape
    (16000,)
    """
    if from_rate == to_rate:
        return waveform
    return cast(NDArray[np.float32], soxr.resample(waveform, from_rate, to_rate, quality=QUALITY))
