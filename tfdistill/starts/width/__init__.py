"""Narrower students that start from their teacher's weights."""
