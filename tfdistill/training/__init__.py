"""The loop, its optimizer, and what it remembers."""
