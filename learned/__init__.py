"""Learned residuals, closures, surrogates and generative parts (none is shipped yet)."""
