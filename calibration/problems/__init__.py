"""A model, what is free, what was measured; one experiment a kind of measurement."""
