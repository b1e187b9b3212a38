"""Posteriors by importance, delayed acceptance and NUTS; intervals of them."""
