"""Heads of tasks with labels beside PyTorch's classes: all model types, three heads."""

import json

import numpy as np
import pytest

from tfdistill import load_tokenizer, tasks
from tfdistill.models.hugging_face.checkpoint import save_model

pytestmark = pytest.mark.parity

TOLERANCE = 1e-5
CLASSES = ("bad", "good", "odd")
CLASSIFY, SCORE = tasks.get("text_classification"), tasks.get("regression")
TAG, ANSWER = tasks.get("token_classification"), tasks.get("question_answering")
BERT = dict(hidden_size=36, num_attention_heads=3, num_hidden_layers=2, intermediate_size=70)
SHAPES = {
    "Bert": BERT,
    "DistilBert": dict(dim=36, n_heads=4, n_layers=2, hidden_dim=50),
    "MobileBert": dict(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=30,
        embedding_size=10,
        intra_bottleneck_size=12,
        num_feedforward_networks=2,
    ),
    "Roberta": BERT | dict(type_vocab_size=1, layer_norm_eps=1e-5),
    "XLMRoberta": BERT | dict(num_attention_heads=4, classifier_dropout=0.3),
    "Electra": BERT | dict(embedding_size=14),
    "DebertaV2": BERT
    | dict(
        relative_attention=True,
        position_biased_input=False,
        share_att_key=True,
        norm_rel_ebd="layer_norm",
        pos_att_type=["p2c", "c2p"],
        position_buckets=8,
        pooler_dropout=0.2,
    ),
}


# Name of the task to the task, the end of PyTorch's class, and keys of its config.
NAMED = {"id2label": dict(enumerate(CLASSES)), "label2id": {c: i for i, c in enumerate(CLASSES)}}
HEADS = {
    "classes": (CLASSIFY, "ForSequenceClassification", NAMED),
    "number": (SCORE, "ForSequenceClassification", {"num_labels": 1}),
    "tags": (TAG, "ForTokenClassification", NAMED),
    "spans": (ANSWER, "ForQuestionAnswering", {}),
}


def torch_model(torch, transformers, kind, architecture, **values):
    """A model in which every parameter is random."""
    torch.manual_seed(1)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=101, max_position_embeddings=40, **SHAPES[kind], **values
    )
    model = getattr(transformers, kind + architecture)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.1)
    return model


def inputs_of(config, length=17):
    generator = np.random.default_rng(2)
    shape = (4, length)
    inputs = {
        "input_ids": generator.integers(0, config.vocab_size, shape),
        "attention_mask": np.arange(length) < np.array([[length], [length - 1], [7], [1]]),
    }
    if config.type_vocab_size:
        inputs["token_type_ids"] = generator.integers(0, min(2, config.type_vocab_size), shape)
    return {name: value.astype("int32") for name, value in inputs.items()}


def torch_logits(torch, model, inputs):
    with torch.no_grad():
        out = model(**{name: torch.tensor(rows).long() for name, rows in inputs.items()})
    if "start_logits" in out:
        return np.stack([out.start_logits.numpy(), out.end_logits.numpy()], axis=-1)
    return out.logits.numpy()


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("kind", SHAPES)
def test_logits_agree_both_ways(torch, transformers, tmp_path, kind, name):
    task, architecture, values = HEADS[name]
    theirs = torch_model(torch, transformers, kind, architecture, **values)
    theirs.save_pretrained(tmp_path / "theirs")
    model = task.load(tmp_path / "theirs")
    inputs = inputs_of(model.config)
    expected = torch_logits(torch, theirs, inputs)
    logits, rows = np.asarray(model(inputs)["logits"]), slice(None)
    if kind == "DebertaV2" and logits.ndim == 3:  # its states of padding are other ones
        rows = inputs["attention_mask"] > 0
    np.testing.assert_allclose(logits[rows], expected[rows], rtol=0, atol=TOLERANCE)
    save_model(model, tmp_path / "ours")
    loaded, report = getattr(transformers, kind + architecture).from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert not any(report.values()), report
    again = torch_logits(torch, loaded.eval(), inputs)
    np.testing.assert_allclose(again, expected, rtol=0, atol=TOLERANCE)
    assert loaded.config.id2label == theirs.config.id2label
    drops = [module.p for module in loaded.modules() if type(module).__name__ == "Dropout"]
    assert model.head.dropout_rate in drops or name == "spans"
    if kind == "DebertaV2" and name == "classes":
        assert loaded.pooler.dropout.p == model.head.pooler_dropout == 0.2


@pytest.mark.parametrize("activation", [False, True])
def test_mobilebert_with_and_without_its_pooler(torch, transformers, tmp_path, activation):
    values = NAMED | {"classifier_activation": activation}
    _, architecture, _ = HEADS["classes"]
    theirs = torch_model(torch, transformers, "MobileBert", architecture, **values)
    theirs.save_pretrained(tmp_path / "theirs")
    model = CLASSIFY.load(tmp_path / "theirs")
    assert model.head.pooling == ("pooler" if activation else "cls")
    save_model(model, tmp_path / "ours")
    loaded = transformers.MobileBertForSequenceClassification.from_pretrained(tmp_path / "ours")
    inputs = inputs_of(model.config)
    for each in (theirs, loaded.eval()):
        expected = torch_logits(torch, each, inputs)
        np.testing.assert_allclose(model(inputs)["logits"], expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_transformers_loads_what_it_cannot_express(torch, transformers, tmp_path, pooling):
    """Its class has a pooler that the folder lacks: it makes one, and says so."""
    theirs = torch_model(torch, transformers, "Bert", "Model")
    theirs.save_pretrained(tmp_path / "theirs")
    model = CLASSIFY.bound(CLASSES, pooling).load_for_training(tmp_path / "theirs", seed=1)
    assert not model.head.is_portable
    save_model(model, tmp_path / "ours")
    _, report = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert set(report["missing_keys"]) == {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_vectors_of_texts(torch, transformers, tmp_path, kind, pooling):
    theirs = torch_model(torch, transformers, kind, "Model")
    theirs.save_pretrained(tmp_path)
    model = tasks.get("sentence_embedding").bound((), pooling).load(tmp_path)
    inputs = inputs_of(model.config)
    with torch.no_grad():
        tensors = {name: torch.tensor(each) for name, each in inputs.items()}
        hidden = theirs(**tensors).last_hidden_state
        mask = tensors["attention_mask"][..., None]
        means = (hidden * mask).sum(1) / mask.sum(1)
        pooled = hidden[:, 0] if pooling == "cls" else means
        expected = torch.nn.functional.normalize(pooled, dim=1).numpy()
    np.testing.assert_allclose(model(inputs)["logits"], expected, rtol=0, atol=TOLERANCE)


def test_a_fresh_head_takes_the_pooler_that_pytorch_takes(torch, transformers, tmp_path):
    theirs = torch_model(torch, transformers, "Bert", "Model")
    theirs.save_pretrained(tmp_path)
    model = CLASSIFY.bound(CLASSES).load_for_training(tmp_path, seed=1)
    loaded = transformers.BertForSequenceClassification.from_pretrained(tmp_path, num_labels=3)
    np.testing.assert_array_equal(
        model.head.pooler.kernel.numpy().T, loaded.bert.pooler.dense.weight.detach().numpy()
    )


@pytest.mark.parametrize("kind", SHAPES)
def test_pipelines_run_on_saved_folders(torch, transformers, tmp_path, kind):
    tokenizer = load_tokenizer()
    values = SHAPES[kind] | {"max_position_embeddings": 40}
    config = getattr(transformers, f"{kind}Config")(**values)
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path / "encoder")
    for task, name in (
        (CLASSIFY, "text-classification"),
        (TAG, "token-classification"),
    ):
        folder = tmp_path / task.name
        model = task.bound(CLASSES).load_for_training(tmp_path / "encoder", seed=1)
        save_model(model, folder)
        tokenizer.save(folder, model.config.model_type, 40)
        found = transformers.pipeline(name, model=str(folder))("A whale sank the ship.")
        logits = _logits(model, tokenizer, "A whale sank the ship.")
        shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        rows = shares if task.kind == "text" else shares[0, 1:-1]
        for each, row in zip(found, rows, strict=True):
            assert each.get("label", each.get("entity")) == CLASSES[row.argmax()]
            assert each["score"] == pytest.approx(row.max(), abs=1e-5)
    assert json.loads((folder / "config.json").read_text())["id2label"]["2"] == "odd"


def _logits(model, tokenizer, text):
    ids, mask = tokenizer.encode(text, length=40)
    tokens = int(mask.sum())
    return model({"input_ids": [ids[:tokens]]})["logits"].numpy()
