"""Which parameters are free, in which range, with which prior."""
