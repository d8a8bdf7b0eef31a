"""Where students start: from a teacher's layers, or from the text."""
