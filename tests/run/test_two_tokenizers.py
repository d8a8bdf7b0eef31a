"""Whole runs whose teacher and student have other tokenizers, and are of other model types.

"bytes" is a RoBERTa with a tokenizer of bytes; "gpt" a BERT with such a tokenizer, and one special
token for all; "deberta" a DeBERTa-v3, and "xlm" an XLM-R, with Unigram; "pieces" a BERT, and
"electra" an ELECTRA, with WordPieces.
"""

import functools
import json

import pytest
import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from tfdistill.models.configs.deberta import DebertaConfig
from tfdistill.models.configs.electra import ElectraConfig
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.configs.roberta import RobertaConfig

pytestmark = pytest.mark.slow
# Token and id.
PADS = {
    "pieces": ("[PAD]", 0),
    "bytes": ("<pad>", 1),
    "gpt": ("<|end|>", 0),
    "electra": ("[PAD]", 0),
    "deberta": ("[PAD]", 0),
    "xlm": ("<pad>", 1),
}
NAMES = {
    "bytes": dict(cls="<s>", pad="<pad>", sep="</s>", unk="<unk>", mask="<mask>"),
    "gpt": dict.fromkeys(("cls", "pad", "sep", "unk"), "<|end|>"),  # one token for all
}
UNIGRAM = {  # the tokenizer's class, and the special tokens in the order of their ids
    "deberta": ("DebertaV2Tokenizer", "[PAD] [CLS] [SEP] [UNK] [MASK]"),
    "xlm": ("XLMRobertaTokenizer", "<s> <pad> </s> <unk> <mask>"),
}
SHAPES = {
    "bytes": RobertaConfig,
    "electra": functools.partial(ElectraConfig, embedding_size=24),
    "deberta": functools.partial(DebertaConfig, position_buckets=8),
    "xlm": functools.partial(RobertaConfig, model_type="xlm-roberta"),
}
METRICS = {
    "text_classification": "accuracy",
    "token_classification": "f1",
    "question_answering": "f1",
    "regression": "pearson",
}


def write_unigram(folder, text, kind, special):
    """A tokenizer of the class `kind`, trained on a text."""
    made = tokenizers.Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    special = special.split()
    trainer = trainers.UnigramTrainer(
        vocab_size=400, special_tokens=special, unk_token=special[3], show_progress=False
    )
    made.train_from_iterator(text.splitlines(), trainer)
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": kind}))
    return made.get_vocab_size()


@pytest.fixture(scope="module")
def encoders(tiny_text, write_bytes, tmp_path_factory):
    """Directories of random encoders: "pieces" of 1 layer with BERT's tokens, the others of 2."""
    from tfdistill.data.tokenizer import load_tokenizer
    from tfdistill.models.encoder import Encoder
    from tfdistill.models.hugging_face.checkpoint import save_model
    from tfdistill.models.model import Model

    found = {name: tmp_path_factory.mktemp(name) for name in PADS}
    tokenizer = load_tokenizer(str(tiny_text / "vocabulary"))
    for name in ("pieces", "electra"):
        tokenizer.save(found[name])
    text = (tiny_text / "text.txt").read_text("utf-8").lower()
    rows = {name: write_bytes(found[name], text, names) for name, names in NAMES.items()}
    rows |= dict.fromkeys(("pieces", "electra"), tokenizer.vocab_size)
    rows |= {name: write_unigram(found[name], text, *given) for name, given in UNIGRAM.items()}
    for name, (_, pad) in PADS.items():
        layers = 1 if name == "pieces" else 2
        shape = SHAPES.get(name, EncoderConfig)(
            vocab_size=rows[name] + 30,  # tables are often longer than vocabularies
            pad_token_id=pad,
            hidden_size=32,
            num_hidden_layers=layers,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=0.1,
        )
        save_model(Model(Encoder(shape), seed=layers), found[name])
    return found


LABELS = "text_classification", "token_classification", "question_answering"
CASES = [(task, *pair) for task in LABELS for pair in (("bytes", "pieces"), ("pieces", "bytes"))]


@pytest.mark.parametrize(
    ("task", "teacher", "student"),
    [
        *CASES,
        ("question_answering", "pieces", "gpt"),
        ("question_answering", "electra", "pieces"),
        ("text_classification", "deberta", "pieces"),
        ("token_classification", "pieces", "deberta"),
        ("token_classification", "xlm", "pieces"),
        ("regression", "bytes", "pieces"),
    ],
)
def test_two_tokenizers(
    task, teacher, student, encoders, tiny_text, write_data, task_flags, train, tmp_path
):
    """The teacher trains, and distils into a student, which ships files that predict."""
    from tfdistill.deployment.label_predictor import LabelPredictor

    tokens = (tiny_text / "vocabulary" / "vocab.txt").read_text("utf-8").split()
    words = [token for token in tokens if token.isalpha() and len(token) > 2][:10]
    flags = task_flags(
        task=task,
        train_data=write_data[task](tmp_path / "data", words),
        teacher=encoders[teacher],
        student=encoders[student],
        student_config=None,
        dropout=None,
        baseline="none",
        output_dir=tmp_path / "run",
        shards_dir=tmp_path / "shards",
        length=32,
        tflite_lengths=32,
        n_epoch=4,
    )
    train(flags)
    run = tmp_path / "run"
    metrics, metric = json.loads((run / "metrics.json").read_text()), METRICS[task]
    found = metrics["models"]
    assert found["teacher"][metric] > found["floor"][metric] < found["student"][metric]
    assert metrics["files"]["student.tflite"][metric] == pytest.approx(found["student"][metric])
    assert (
        json.loads((run / "student" / "config.json").read_text())["pad_token_id"]
        == PADS[student][1]
    )
    texts = [f"  {words[0]}  {words[1]}", words[5], "Naïve café – 北京 😀", "", " "]
    others = None
    if task == "question_answering":
        contexts = [" ".join(words), "  ".join(words[::-1])]
        texts, others = texts[:2] * 2, [*contexts, *texts[2:4]]
    folder, file = (
        LabelPredictor.open(str(run / path)).predict(texts, others)
        for path in ("student", "export/student.tflite")
    )
    assert strip(folder) == strip(file)
    theirs = json.loads((run / "export" / "tokenizer_config.json").read_text())
    assert theirs["pad_token"] == PADS[student][0]
    code = (run / "export" / "model_card.md").read_text("utf-8")
    assert ("pad_id=" in code) == (student == "bytes")


def strip(predictions):
    """Predictions with rounded probabilities."""
    text = json.dumps(predictions)
    return json.loads(text, parse_float=lambda number: round(float(number), 3))
