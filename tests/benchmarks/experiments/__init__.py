"""Experiments that judge the product on simulated worlds: run by ``python -m``."""
