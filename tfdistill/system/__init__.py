"""The machine, its files and processes."""
