"""What a run shows: TensorBoard's curves, the table in the terminal, the page for a browser."""
