"""Networks of the literature on the cold-start benchmark, beside `audio-engine evaluate cold-start`."""
