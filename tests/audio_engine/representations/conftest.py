"""gensim is imported before the tests: what it imports warns, of other packages that are not there."""

import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("gensim.models")
