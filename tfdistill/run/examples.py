"""Held-out texts with a hidden word, and what teacher and student put in its place."""

import numpy as np

from tfdistill.reports.tensorboard import markdown_table

EXAMPLES, EXAMPLE_TOKENS = 6, 20


def fill_examples(predictors, tokenizer, rows):
    """Hides a word in a few held-out texts and lets models predict it.

    Args:
        predictors: dict of "teacher" and "student" to `Predictor`s; either may be missing.
        tokenizer: the `Tokenizer`.
        rows: `Rows` of the held-out split.

    Returns:
        list of dicts: `text` with one [MASK], `truth`, and for each predictor a list of (token,
        probability).
    """
    return [
        {"text": text, "truth": truth}
        | {name: predictor.fill(text, top_k=3)[0] for name, predictor in predictors.items()}
        for text, truth in example_texts(tokenizer, rows)
    ]


def example_texts(tokenizer, rows):
    """Picks short held-out texts and hides one whole word in each.

    Args:
        tokenizer: the `Tokenizer`.
        rows: `Rows` of the held-out split.

    Returns:
        list of (text with one [MASK], the hidden word), spread over the split.
    """
    found = []
    for index in np.unique(np.linspace(0, len(rows) - 1, 4 * EXAMPLES, dtype=np.int64)):
        ids = rows.gather(np.array([index]))[0][1:-1]
        tokens = [tokenizer.id_to_token(i) for i in ids]
        # A row may begin within a word.
        first = next((i for i, token in enumerate(tokens) if not token.startswith("##")), 0)
        ids, tokens = (part[first : first + EXAMPLE_TOKENS] for part in (ids, tokens))
        whole = [
            place
            for place in range(len(ids) // 2, len(ids) - 2)
            if len(tokens[place]) > 3
            and tokens[place].isalpha()
            and not tokens[place + 1].startswith("##")
        ]
        special = set(map(int, ids)) & set(tokenizer.special_ids)
        if whole and not special:
            truth, ids[whole[0]] = tokens[whole[0]], tokenizer.mask_id
            found.append((tokenizer.decode(ids), truth))
    return found[:: max(1, len(found) // EXAMPLES)][:EXAMPLES]


def examples_markdown(examples):
    """Writes fill-mask examples as a Markdown table for TensorBoard's text panel."""
    rows = []
    for example in examples:
        guesses = [
            ", ".join(f"{token} {share:.0%}" for token, share in example.get(name, []))
            for name in ("teacher", "student")
        ]
        rows.append([example["text"], example["truth"], *guesses])
    return markdown_table(["text", "hidden", "teacher", "student"], rows)
