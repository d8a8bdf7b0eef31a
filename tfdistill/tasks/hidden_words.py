"""Masked LM for people: its words, and held-out texts with a hidden word."""

import numpy as np

from tfdistill.tasks.task import EXAMPLES
from tfdistill.tasks.words import Words

EXAMPLE_TOKENS = 20

CODE = """\
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
signatures = {signatures}  # by the tokens that they take
tokenizer.enable_truncation({length}, stride={stride})  # a longer text comes in parts
text = tokenizer.encode("The whale [MASK] the ship.")
text = next(part for part in [text, *text.overflowing] if "[MASK]" in part.tokens)
length = min(each for each in signatures if each >= len(text.ids))  # the shortest that fits
text.pad(length{pad})
run = Interpreter("{file}").get_signature_runner(signatures[length])
inputs = dict(input_ids=text.ids, attention_mask=text.attention_mask{token_types})
inputs["masked_positions"] = [text.tokens.index("[MASK]")]
logits = run(**{{name: np.array([x], np.int32) for name, x in inputs.items()}})["logits"][0, 0]
print([word for i in np.argsort(-logits) if (word := tokenizer.id_to_token(i))][:5])
"""

WORDS = Words(
    goal="to guess hidden words in text",
    predictions="hidden words",
    score="the student's first guess is right for {} of the hidden words",
    floor="unigram baseline",
    floor_column="unigram",
    floor_score="always guessing the commonest word is right for {}",
    metrics="loss: masked-LM cross-entropy per masked token; pseudo-ppl (pseudo-perplexity): "
    "exp(loss). top-1, top-5: share of masked tokens whose true word is the likeliest, among the "
    "five likeliest. agree: share with the same likeliest word as the teacher.",
    agreement="same first guess",
    chart="Top-1 accuracy (%)",
    chart_note="Top-1: share of hidden words whose true word is the first guess.",
    loss_name="masked-LM loss",
    loss_note="Mean cross-entropy of the hidden words, in nats; less is better. In training, rare "
    "words may be hidden more often (setting mlm_smoothing); the validation loss is measured in "
    "the same way for all models.",
    one_input="one text with one [MASK]",
    examples="Hidden words",
    examples_note="Probabilities over the whole vocabulary; ## continues a word.",
    examples_panel="fill-mask",
    truth="hidden",
    mark="[MASK]",
    card="A masked language model for the phone: given a text with one hidden word, it predicts "
    "the word.",
    inputs={"masked_positions": "index of the token to predict"},
    output="one score per token of the vocabulary",
    code=CODE,
)


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
