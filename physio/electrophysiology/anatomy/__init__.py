"""Shapes of hearts, their walls, fibres and sinus rhythm."""
