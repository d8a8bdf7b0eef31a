"""What a student learns from its teacher: starts, losses, and the training step."""
