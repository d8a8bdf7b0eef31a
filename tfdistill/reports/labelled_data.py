"""Statistics of examples with labels, for the terminal."""


def format_examples(statistics):
    """Writes how many examples the splits have, and how long they are.

    Args:
        statistics: dict of splits to the facts of their `EncodedExamples`.

    Returns:
        One line for each split, as one str.

    Example:
        train: 3,668 examples of 53.2 tokens in the mean; 1.2 % are cut at 128 tokens
    """
    return "\n".join(f"{split}: {sizes_of(facts)}" for split, facts in statistics.items())


def sizes_of(facts):
    """Writes how many examples a split has, and how long they are.

    Args:
        facts: of its `EncodedExamples`.

    Returns:
        str.
    """
    parts = [f"{facts['examples']:,} examples of {facts['tokens_mean']:.1f} tokens in the mean"]
    parts.append(f"{100 * facts['cut_share']:.1f} % are cut at {facts['length']:,} tokens")
    if facts.get("words_cut"):
        parts.append(f"{facts['words_cut']:,} of {facts['words']:,} words are cut off")
    if "windows" in facts:
        parts.append(f"{facts['windows']:,} windows, {facts['answers_lost']:,} answers in none")
    return "; ".join(parts)
