"""One diffusion operator for every geometry, and the bond average."""
