"""What a user types as a treatment or a model's name, and what it becomes."""
