"""What the data see, and how well predictions score."""
