"""Predicted words of [MASK] tokens, and predicted labels, as text for the terminal."""

import json

SMALL = 0.001  # an untrained head gives each of 30,000 words less


def format_predictions(predictions):
    """Writes the words for each [MASK], the likeliest first.

    Args:
        predictions: for each [MASK], a list of (token, probability).

    Returns:
        Lines of text.
    """
    lines = []
    for number, words in enumerate(predictions, start=1):
        if len(predictions) > 1:
            lines.append(f"[MASK] {number}")
        lines += [f"{_percent(probability):>9}  {token}" for token, probability in words]
    if all(words[0][1] < SMALL for words in predictions):
        lines.append(f"no word reaches {SMALL:.1%}: the model has not learned to fill [MASK]")
    return "\n".join(lines)


def format_labels(prediction, top_k, length):
    """Writes the prediction for one text.

    Args:
        prediction: dict, of `LabelPredictor.predict`.
        top_k: most classes to show.
        length: most tokens that the model takes.

    Returns:
        Lines of text.
    """
    lines = _label_lines(prediction, top_k)
    if prediction.get("cut"):
        lines.append(f"the text was cut at {length} tokens, as many as the model takes")
    return "\n".join(lines)


def _label_lines(prediction, top_k):
    if "value" in prediction:
        return [f"{prediction['value']:.4g}"]
    if "embedding" in prediction:
        return [json.dumps(prediction["embedding"])]
    if "cosine" in prediction:
        return [f"{prediction['cosine']:.4f}"]
    if "probabilities" in prediction:
        shares = sorted(prediction["probabilities"].items(), key=lambda each: -each[1])[:top_k]
    elif "entities" in prediction:
        shares = [
            (f"{each['type']}  {each['text']}", each["probability"])
            for each in prediction["entities"]
        ]
    else:
        shares = [(prediction["answer"], prediction["probability"])] * bool(prediction["answer"])
    nothing = "no entities" if "entities" in prediction else "no answer in this text"
    return [f"{_percent(probability):>9}  {name}" for name, probability in shares] or [nothing]


def _percent(probability):
    """Writes small values with two digits; one decimal would show them as 0.0 %."""
    if probability >= SMALL:
        return f"{probability:.1%}"
    return f"{probability * 100:.2g}%"
