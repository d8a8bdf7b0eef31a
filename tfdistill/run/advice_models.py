"""Models that are recommended for a task, with their sizes. Hugging Face's names.

The lists are those of a guide to distillation, without its models with decoders. `NOTES` say what
is different here: names that the guide gives another role or size than they have; `PICKLES`, which
are converted first. The guide has no sentence encoders: their list is this project's.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from tfdistill.models.configs.model_types import MODEL_TYPES, get_model_type
from tfdistill.system.errors import UserError


class Named(NamedTuple):
    """The shape of a published encoder; positions and token types are the model type's usual ones.

    Args:
        model_type: Hugging Face's.
        layers, width, heads, vocabulary: sizes; the feed-forward parts have four times the width.
        more: dict of further fields of the config.
    """

    model_type: str
    layers: int
    width: int
    heads: int
    vocabulary: int
    more: Mapping = MappingProxyType({})


_UNCASED, _BYTES = 30_522, 50_265  # tokens of BERT's and of RoBERTa's vocabulary
_WIDE_TABLE, _THIN = {"embedding_size": 1024}, {"intermediate_size": 512}
KNOWN = {
    "bert-base-uncased": Named("bert", 12, 768, 12, _UNCASED),
    "bert-large-uncased": Named("bert", 24, 1024, 16, _UNCASED),
    "bert-base-multilingual-cased": Named("bert", 12, 768, 12, 119_547),
    "roberta-base": Named("roberta", 12, 768, 12, _BYTES),
    "roberta-large": Named("roberta", 24, 1024, 16, _BYTES),
    "xlm-roberta-large": Named("xlm-roberta", 24, 1024, 16, 250_002),
    "google/electra-large-discriminator": Named("electra", 24, 1024, 16, _UNCASED, _WIDE_TABLE),
    "deepset/deberta-v3-large-squad2": Named("deberta-v2", 24, 1024, 16, 128_100),
    "distilbert-base-uncased": Named("distilbert", 6, 768, 12, _UNCASED),
    "distilroberta-base": Named("roberta", 6, 768, 12, _BYTES),
    "prajjwal1/bert-tiny": Named("bert", 2, 128, 2, _UNCASED),
    "google/mobilebert-uncased": Named("mobilebert", 24, 512, 4, _UNCASED, _THIN),
    "sentence-transformers/all-MiniLM-L6-v2": Named("bert", 6, 384, 12, _UNCASED),
    "sentence-transformers/all-MiniLM-L12-v2": Named("bert", 12, 384, 12, _UNCASED),
}
_TEXTS = {
    "default": "bert-large-uncased",
    "high_performance": "roberta-large",
    "multilingual": "xlm-roberta-large",
    "smaller": "bert-base-uncased",
    "smaller, multilingual": "bert-base-multilingual-cased",
}
_ANSWERS = {
    "default": "roberta-large",
    "high_performance": "deepset/deberta-v3-large-squad2",
    "efficient": "google/electra-large-discriminator",
    "smaller": "bert-base-uncased",
}
_STUDENTS_OF_TEXTS = {
    "balanced": "bert-base-uncased",
    "efficient": "distilbert-base-uncased",
    "tiny": "prajjwal1/bert-tiny",
}
_STUDENTS_OF_ANSWERS = {
    "balanced": "roberta-base",
    "efficient": "distilroberta-base",
    "tiny": "google/mobilebert-uncased",
    "with BERT's vocabulary": "distilbert-base-uncased",
}
_VECTORS = {
    "default": "sentence-transformers/all-MiniLM-L6-v2",
    "deeper": "sentence-transformers/all-MiniLM-L12-v2",
}
ANSWERS, VECTORS = "question_answering", "sentence_embedding"
NOTES = {
    "sentence-transformers/all-MiniLM-L6-v2": "the teacher of docs/RESULTS.md",
    "sentence-transformers/all-MiniLM-L12-v2": "not tried here",
    "google/electra-large-discriminator": "as large as bert-large-uncased: efficient in its "
    "pre-training, not to run",
    "deepset/deberta-v3-large-squad2": "fine-tuned on SQuAD 2 already",
    "google/mobilebert-uncased": "24 thin layers, 25 million parameters: small, not tiny",
    "distilbert-base-uncased": "1.6 times smaller than bert-base-uncased, not 2 times",
}
# Names whose repositories had pytorch_model.bin and no model.safetensors when their pages were last
# seen (in 2025, with an open offer of the latter), and Hugging Face's class that reads each.
PICKLES = {
    "google/electra-large-discriminator": "ElectraModel",
    "google/mobilebert-uncased": "MobileBertModel",
    "prajjwal1/bert-tiny": "BertModel",  # not AutoModel: config.json has no model_type
}
# Why tasks of the guide are none here, with what it gets wrong about them.
GENERATION = {
    "summarization": "t5-large is 12 times larger than t5-small, not 4 times, and "
    "sshleifer/tiny-mbart, with weights of 1.5 MB, is for tests of code",
    "translation": "facebook/mbart-large-50-small is no model that is known, and "
    "facebook/mbart-large-50 and m2m100_418M are no small students",
}


def require_task(name):
    """Refuses the guide's tasks that need a decoder.

    Args:
        name: the setting `task`.

    Raises:
        UserError: it is one of them.
    """
    if name in GENERATION:
        raise UserError(
            f"`task`={name} writes text, and tfdistill reads encoders only: use another library "
            f"(and note: {GENERATION[name]})"
        )


def recommended(task):
    """The models that are recommended for a task, as far as this package reads them.

    Args:
        task: name of the task.

    Returns:
        dict of "teachers" and "students" to lists of dicts: `role`, `name`, `model_type`, `note`,
        and `conversion`, as `conversion` returns it.
    """
    of_task = {ANSWERS: (_ANSWERS, _STUDENTS_OF_ANSWERS), VECTORS: (_VECTORS, {})}
    teachers, students = of_task.get(task, (_TEXTS, _STUDENTS_OF_TEXTS))
    lists = {"teachers": teachers, "students": students}
    return {key: [*filter(None, map(_described, found.items()))] for key, found in lists.items()}


def _described(item):
    role, name = item
    model_type = KNOWN[name].model_type
    if model_type not in MODEL_TYPES:
        return None
    found = {"role": role, "name": name, "model_type": model_type}
    return found | {"note": NOTES.get(name, ""), "conversion": conversion(name)}


def conversion(name):
    """The command that makes a name readable here, which the hub has as a pickle.

    Args:
        name: of a model.

    Returns:
        str: it needs torch and transformers, and writes a folder with the last part of the name;
        "" for a model that is read by its name.
    """
    if name not in PICKLES:
        return ""
    folder, classes = name.rpartition("/")[2], f"t.{PICKLES[name]}, t.BertTokenizerFast"
    save = f"each.from_pretrained('{name}').save_pretrained('{folder}')"
    return f'python -c "import transformers as t; [{save} for each in ({classes})]"'


def config_of_known(name):
    """The config of a published model.

    Args:
        name: a key of `KNOWN`.

    Returns:
        `EncoderConfig`; None for a name that is not known, or whose model type is not read here.
    """
    known = KNOWN.get(name)
    if known is None or known.model_type not in MODEL_TYPES:
        return None
    sizes = {
        "vocab_size": known.vocabulary,
        "hidden_size": known.width,
        "num_hidden_layers": known.layers,
        "num_attention_heads": known.heads,
        "intermediate_size": 4 * known.width,
    }
    kind = get_model_type(known.model_type)
    return kind.config(**{**sizes, **known.more, "model_type": known.model_type})
