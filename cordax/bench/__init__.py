"""What `cordax bench` runs: the twin's predictions against real measurements."""
