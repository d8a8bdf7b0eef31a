"""Variants of training texts, whose answers a teacher gives: words are replaced by like ones."""
