"""The head of pairs of segments beside PyTorch's `ForPreTraining`."""

import json

import numpy as np
import pytest

from tfdistill.models.hugging_face.checkpoint import describe_model, load_model, save_model

pytestmark = pytest.mark.parity

TOLERANCE = 1e-5
BERT = dict(hidden_size=36, num_attention_heads=3, num_hidden_layers=2, intermediate_size=70)
MOBILEBERT = dict(
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=30,
    embedding_size=10,
    intra_bottleneck_size=12,
    num_feedforward_networks=2,
)
CASES = {
    "Bert": ("Bert", BERT),
    "Bert, three types": ("Bert", BERT | dict(type_vocab_size=3, num_attention_heads=4)),
    "MobileBert": ("MobileBert", MOBILEBERT),
    "MobileBert, no pooler": ("MobileBert", MOBILEBERT | dict(classifier_activation=False)),
}


def torch_model(torch, transformers, kind, values):
    """A model in which every parameter is random."""
    torch.manual_seed(1)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=101, max_position_embeddings=40, **values
    )
    model = getattr(transformers, f"{kind}ForPreTraining")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.1)
    return model


def pairs(length=17):
    """Pairs of segments of many and few tokens, with padding of arbitrary ids."""
    lengths = np.array([[length], [length - 1], [7], [5]])
    generator, places = np.random.default_rng(2), np.arange(length)
    real = places < lengths
    return {
        "input_ids": generator.integers(0, 101, real.shape).astype("int32"),
        "attention_mask": real.astype("int32"),
        "token_type_ids": ((places >= lengths // 2) & real).astype("int32"),
    }


def torch_logits(torch, model, inputs):
    with torch.no_grad():
        out = model(**{name: torch.tensor(rows).long() for name, rows in inputs.items()})
    return out.seq_relationship_logits.numpy(), out.prediction_logits.numpy()


@pytest.mark.parametrize("case", CASES)
def test_logits_agree_both_ways(torch, transformers, tmp_path, case):
    kind, values = CASES[case]
    theirs = torch_model(torch, transformers, kind, values)
    theirs.save_pretrained(tmp_path / "theirs")
    expected, words = torch_logits(torch, theirs, pairs())
    model = load_model(tmp_path / "theirs", next_sentence=True)
    found = np.asarray(model.next_sentence_logits(pairs()))
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    logits = np.asarray(model(pairs())["logits"])
    np.testing.assert_allclose(logits, words, rtol=0, atol=TOLERANCE)

    save_model(model, tmp_path / "ours")
    loaded, report = getattr(transformers, f"{kind}ForPreTraining").from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert not any(report.values()), report
    again, words_again = torch_logits(torch, loaded.eval(), pairs())
    np.testing.assert_allclose(again, expected, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(words_again, words, rtol=0, atol=TOLERANCE)
    read = load_model(tmp_path / "ours", next_sentence=True).next_sentence_logits(pairs())
    np.testing.assert_array_equal(np.asarray(read), found)


def test_masked_lm_classes_read_the_folder(torch, transformers, tmp_path):
    theirs = torch_model(torch, transformers, "Bert", BERT)
    theirs.save_pretrained(tmp_path / "theirs")
    model = load_model(tmp_path / "theirs", next_sentence=True)
    save_model(model, tmp_path / "ours")
    config = json.loads((tmp_path / "ours" / "config.json").read_text())
    assert config["architectures"] == ["BertForPreTraining"]
    loaded = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "ours").eval()
    with torch.no_grad():
        out = loaded(**{name: torch.tensor(rows).long() for name, rows in pairs().items()})
    expected = torch_logits(torch, theirs, pairs())[1]
    np.testing.assert_allclose(out.logits.numpy(), expected, rtol=0, atol=TOLERANCE)


def test_labels_mean_the_same(torch, transformers, tmp_path):
    """Transformers' own loss of label 0 is that of the first logit."""
    theirs = torch_model(torch, transformers, "Bert", BERT)
    logits = torch.tensor(torch_logits(torch, theirs, pairs())[0])
    inputs = {name: torch.tensor(rows).long() for name, rows in pairs().items()}
    nothing = torch.full(inputs["input_ids"].shape, -100)
    nothing[0, 0] = 5
    for label in (0, 1):
        labels = torch.full((4,), label)
        with torch.no_grad():
            out = theirs(**inputs, labels=nothing, next_sentence_label=labels)
        masked = torch.nn.functional.cross_entropy(out.prediction_logits[:1, 0], nothing[:1, 0])
        own = -torch.log_softmax(logits, dim=-1)[:, label].mean()
        assert abs(float(out.loss - masked - own)) < TOLERANCE


def test_checkpoints_without_the_head(torch, transformers, tmp_path):
    torch.manual_seed(1)
    config = transformers.BertConfig(vocab_size=101, max_position_embeddings=40, **BERT)
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path)
    assert load_model(tmp_path, next_sentence=True).next_sentence is None
    assert describe_model(tmp_path).next_sentence == ""
