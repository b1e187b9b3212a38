"""How fast a wave travels, and the conductivity for a wanted velocity."""
