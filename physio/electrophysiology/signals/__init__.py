"""What one measures: activation, phase, electrograms, the 12-lead ECG."""
