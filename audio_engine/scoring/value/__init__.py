"""The value of a track: dimensions with intervals, and a policy of weights, floors and quotas over them."""
