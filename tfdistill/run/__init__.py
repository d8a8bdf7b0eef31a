"""One run: its plan, its stages and its results."""
