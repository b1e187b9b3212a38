"""Residuals, closures, ion channels and discrepancies that are learned."""
