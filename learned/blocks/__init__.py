"""Networks, curves and ranges that everything learned is made of."""
