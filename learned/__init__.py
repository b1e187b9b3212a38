"""Learned residuals, closures, surrogates and generative parts (none shipped yet)."""
