"""Labelled examples: read from files, tokenised, and gathered into batches of several lengths."""
