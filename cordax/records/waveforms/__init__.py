"""Recorded waveforms: tables read, beats found, what is not the patient left out."""
