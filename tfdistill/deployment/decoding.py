"""From the logits of texts to their predictions: dicts of JSON values."""

import itertools

import numpy as np
from tokenizers import pre_tokenizers

from tfdistill.data.labelled.encoding import SECOND
from tfdistill.tasks.answers import decode_windows, merge_windows
from tfdistill.tasks.entities import OUTSIDE, find_entities, repair
from tfdistill.tasks.sentence_embedding import cosines
from tfdistill.tasks.task import softmax


def of_text(logits, labels, cut):
    """The class of a text or a pair, or its number.

    Args:
        logits: float (outputs,).
        labels: tuple of the classes' names; () for a number.
        cut: whether a part of the text was left out.

    Returns:
        dict of `value`, or of `label`, `probability`, and `probabilities` by label.
    """
    if not labels:
        return _marked({"value": float(logits[0])}, cut)
    shares = dict(zip(labels, map(float, softmax(logits)), strict=True))
    best = max(shares, key=shares.get)
    result = {"label": best, "probability": shares[best], "probabilities": shares}
    return _marked(result, cut)


def of_vectors(vectors, cut):
    """The vector of a text, or the cosine of two.

    Args:
        vectors: one or two float32 arrays (width,).
        cut: for each, whether a part of its text was left out.

    Returns:
        dict of `embedding`, a list of float, or of `cosine`.
    """
    if len(vectors) == 1:
        return _marked({"embedding": [float(f"{number:.9g}") for number in vectors[0]]}, cut[0])
    (cosine,) = cosines(vectors[0][None], vectors[1][None])
    return _marked({"cosine": float(cosine)}, any(cut))


def words_and_places(sentence):
    """The words of a sentence, and where they are.

    Args:
        sentence: sequence of words; or running text, which is split as BERT's tokenizers do: at
            blanks, and each punctuation mark is a word.

    Returns:
        (list of str; list of (start, end) of each in the text, or in the words with blanks between
        them).
    """
    if isinstance(sentence, str):
        found = pre_tokenizers.BertPreTokenizer().pre_tokenize_str(sentence)
        return [word for word, _ in found], [place for _, place in found]
    begins = itertools.accumulate((len(word) + 1 for word in sentence), initial=0)
    places = [(begin, begin + len(word)) for begin, word in zip(begins, sentence, strict=False)]
    return list(sentence), places


def of_sentence(sentence, places, encoded, row, outputs):
    """The entities of a text, and the tags of words.

    A word has the tag of its first token; words behind the length of a row are outside.

    Args:
        sentence: str; or a sequence of words.
        places: of `words_and_places`.
        encoded: `EncodedTexts` of `encode_words`.
        row: the sentence's row there.
        outputs: (logits, float (tokens, tags), and tuple of the tags' names).

    Returns:
        dict of `entities`; of words also `tags`, in which "B-" begins each entity.
    """
    logits, labels = outputs
    tags = [OUTSIDE if OUTSIDE in labels else labels[0]] * len(places)
    sure = np.zeros(len(places))
    words = encoded.words[encoded.bounds[row] : encoded.bounds[row + 1]]
    for word, shares in zip(words, softmax(logits), strict=True):
        if word >= 0:
            best = shares.argmax()
            tags[word], sure[word] = labels[best], shares[best]
    is_text = isinstance(sentence, str)
    text = sentence if is_text else " ".join(sentence)
    result = {"entities": _entities(text, places, tags, sure)}
    return _marked(result if is_text else result | {"tags": repair(tags)}, encoded.cut[row])


def of_questions(contexts, encoded, logits, rules):
    """The answers of questions.

    Args:
        contexts: list of str.
        encoded: `EncodedTexts` of `encode_windows`.
        logits: list of float (tokens, 2), of each window.
        rules: `AnswerRules`.

    Returns:
        list of dicts of `answer`, "" for none, `start`, `end` and `probability`.
    """
    decoded = [
        _best_span(encoded, rules.max_answer_length, row, each) for row, each in enumerate(logits)
    ]
    spans, scores, none, shares = map(np.array, zip(*decoded, strict=True))
    windows, _ = merge_windows(encoded.examples, scores, none, len(contexts), rules.may_abstain)
    found = []
    for context, row in zip(contexts, windows, strict=True):
        start, end, share = 0, 0, 0.0
        if row >= 0:
            start, end = _without_blanks(context, *encoded.characters_of(row, spans[row]))
            share = float(shares[row])
        answer = context[start:end]
        found.append({"answer": answer, "start": start, "end": end, "probability": share})
    return found


def _without_blanks(text, start, end):
    """The place of a part of a text without the blanks around it, which may be tokens."""
    part = text[start:end]
    start += len(part) - len(part.lstrip())
    return start, start + len(part.strip())


def _marked(result, cut):
    return result | {"cut": True} if cut else result


def _entities(text, places, tags, sure):
    """The entities of one text as dicts; a tag that continues nothing begins an entity."""
    found = []
    for kind, first, last in find_entities(tags):
        start, end = places[first][0], places[last][1]
        share = float(sure[first : last + 1].mean())
        named = {"type": kind, "text": text[start:end], "start": start, "end": end}
        found.append(named | {"probability": share})
    return found


def _best_span(encoded, longest, row, logits):
    """The best answer of a window.

    Args:
        encoded: `EncodedTexts` of windows.
        longest: most tokens of an answer.
        row: index of the window.
        logits: float32 (tokens, 2).

    Returns:
        (first and last token, score, score of no answer, probability): the probability is the
        product of those of start and end among the context's tokens and "no answer".
    """
    context = encoded.sides[encoded.bounds[row] : encoded.bounds[row + 1]] == SECOND
    found = decode_windows(logits[None], context[None], longest)
    (span,), (score,), (none,) = (found[name] for name in ("span", "score", "no_answer"))
    possible = context.copy()
    possible[0] = True  # stands for "no answer"
    share = 1.0
    for side, place in zip(logits.T.astype(np.float64), span, strict=True):
        share *= softmax(np.where(possible, side, -np.inf))[place]
    return span, score, none, share
