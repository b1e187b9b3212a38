"""Learned parts: residuals, closures, discrepancies, surrogates."""
