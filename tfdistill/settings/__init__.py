"""What a command is asked to do."""
