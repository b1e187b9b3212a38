"""What is measured: kinds, numbers, waveforms, transfer to a site, discrepancies."""
