"""One loop for everything learned, resumed bit for bit."""
