"""MobileBERT without norms gives the logits of the model that it was made from."""

import dataclasses

import numpy as np
import pytest

from tfdistill.deployment.flat_model import unpack
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.tflite import export_tflite
from tfdistill.models.configs.config_files import named_config
from tfdistill.models.folded_mobilebert import fold, norms_of
from tfdistill.models.heads.tokens import TokenHead
from tfdistill.models.model import MaskedLanguageModel, Model

LENGTH = 12


def make(parts=4, layers=3, noise=0.2, ending="_OPT", **changes):
    """A masked LM whose scales and shifts are not 1 and 0."""
    name = f"L-{layers}_H-24_B-32_A-2_F-{parts}_I-40_E-16{ending}"
    config = named_config(name, "mobilebert", vocab_size=120)
    config = dataclasses.replace(config, initializer_range=0.15, **changes)
    model = MaskedLanguageModel(config)
    generator = np.random.default_rng(3)
    for variable in model.encoder.variables:
        if len(variable.shape) == 1:
            variable.assign(variable.numpy() + generator.normal(0, noise, variable.shape))
    return model


def batch():
    generator = np.random.default_rng(5)
    mask = (np.arange(LENGTH) < [[LENGTH], [7], [3]]).astype(np.int32)
    return {
        "input_ids": generator.integers(5, 120, (3, LENGTH)) * mask,
        "attention_mask": mask,
        "token_type_ids": (np.arange(LENGTH) > 4) * mask,
        "masked_positions": [[1, 4], [5, 2], [1, 1]],
    }


def assert_same(model, folded, inputs):
    expected, found = (np.asarray(each(inputs, taps=())["logits"]) for each in (model, folded))
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("noise", [0.02, 0.5])
@pytest.mark.parametrize("parts", [1, 4])
@pytest.mark.parametrize("bottleneck_attention", [False, True])
def test_logits_are_the_same(bottleneck_attention, parts, noise):
    model = make(parts, noise=noise, use_bottleneck_attention=bottleneck_attention)
    before = [variable.numpy() for variable in model.variables]
    folded = fold(model)
    paths = [variable.path for variable in folded.encoder.variables]
    assert not [path for path in paths if path.endswith(("/gamma", "/beta"))]
    inputs = batch()
    assert_same(model, folded, inputs)  # the masked rows alone
    del inputs["masked_positions"]
    assert_same(model, folded, inputs)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_a_head_that_reads_all_tokens():
    model = make()
    tagger = Model(model.encoder, TokenHead(model.config, ("O", "B-X")), seed=None)
    tagger.head.dense.kernel.assign(np.random.default_rng(0).normal(size=(32, 2)))
    assert_same(tagger, fold(tagger), batch())


def test_scales_of_residuals_are_left_where_they_are_not_1():
    model = make(noise=0)
    model.encoder.blocks[1].output_norm.gamma.assign(np.r_[0.0, -1.0, np.ones(30)])
    assert_same(model, fold(model), batch())
    encoder = fold(model).encoder
    scaled = [norm for _, norm in norms_of(encoder) if norm.factors is not None]
    assert scaled == [encoder.blocks[1].output_norm]
    assert scaled[0].factors[0] == 0.0


def test_models_with_layer_norms_stay_as_they_are():
    model = make(ending="")
    assert fold(model) is model


def test_a_file_has_no_norms(tmp_path):
    from ai_edge_litert import schema_py_generated as schema

    model = make(layers=2, noise=0)
    export_tflite(model, tmp_path / "student.tflite", length=LENGTH)
    inputs = {name: array[1] for name, array in batch().items()} | {"masked_positions": [5]}
    expected = np.asarray(model({name: [row] for name, row in inputs.items()})["logits"])[0]
    found = LiteModel(tmp_path / "student.tflite").logits(inputs)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    flat = unpack((tmp_path / "student.tflite").read_bytes())
    operators = flat.subgraphs[0].operators
    names = [flat.operatorCodes[each.opcodeIndex].builtinCode for each in operators]
    assert names.count(schema.BuiltinOperator.MUL) < 5  # each layer had eight
