"""From a Keras model to the files that ship, and the proof that they say the same."""
