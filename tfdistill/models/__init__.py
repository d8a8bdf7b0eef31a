"""The encoder, its masked-LM head, and Hugging Face directories in and out."""
