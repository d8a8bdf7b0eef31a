"""Text to batches: corpora, the tokenizer, shards on disk, and masked-LM batches from them."""
