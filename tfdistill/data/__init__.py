"""From text to batches: corpora, the tokenizer, shards on disk, rows, masking and batches."""
