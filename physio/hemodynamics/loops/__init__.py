"""Published closed loops and named states of disease."""
