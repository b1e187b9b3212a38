"""A twin: prepared, calibrated, asked, stored."""
