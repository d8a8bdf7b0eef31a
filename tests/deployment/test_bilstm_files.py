"""TFLite files of BiLSTMs: a loop for each length, which no part of a file may lose."""

import numpy as np
import pytest

from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.mediapipe_file import mediapipe_file
from tfdistill.deployment.signatures import only, read_signatures
from tfdistill.deployment.tflite import export_tflite_files
from tfdistill.models.configs.bilstm import BiLstmConfig
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.final_states import FinalStatesHead
from tfdistill.models.heads.tokens import TokenHead
from tfdistill.models.model import Model
from tfdistill.system.errors import UserError

LENGTHS = 6, 12
# Widths with matrices of 1,024 numbers and more, which alone are quantised.
SHAPE = dict(vocab_size=80, hidden_size=40, intermediate_size=30, embedding_size=24)
KINDS = {"float32": None, "float16": "float16", "int8": "dynamic_int8"}
TOLERANCES = {"float32": 1e-5, "float16": 2e-3, "int8": 2e-2}


@pytest.fixture(scope="module", params=["pair", pytest.param("tags", marks=pytest.mark.slow)])
def files(request, tmp_path_factory):
    """(model, dict of kinds to files)."""
    config = BiLstmConfig(**SHAPE, compares_pairs=request.param == "pair", initializer_range=0.2)
    head = FinalStatesHead if request.param == "pair" else TokenHead
    model = Model(Encoder(config), head(config, ("no", "so", "yes")), seed=1)
    folder = tmp_path_factory.mktemp(request.param)
    paths = {kind: folder / f"{kind}.tflite" for kind in KINDS}
    export_tflite_files(model, {paths[kind]: KINDS[kind] for kind in KINDS}, LENGTHS)
    return model, paths


def texts():
    generator = np.random.default_rng(5)
    for tokens in (3, 6, 7, 12):
        ids, mask, types = np.zeros((3, 12), np.int32)
        ids[:tokens] = generator.integers(1, 80, tokens)
        mask[:tokens], types[tokens // 2 : tokens] = 1, 1
        yield {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kept", [False, True])
def test_files_predict_as_their_model(kind, kept, files, tmp_path):
    """In each length, with kept weights and without; no prediction depends on the one before."""
    model, paths = files
    lite = LiteModel(paths[kind], weights=tmp_path if kept else None)
    assert lite.lengths == LENGTHS
    for text in texts():
        expected = model({name: row[None] for name, row in text.items()})["logits"].numpy()[0]
        tokens = int(text["attention_mask"].sum())
        for length in [each for each in LENGTHS if each >= tokens]:
            found = [lite.logits(text, length) for _ in range(2)]
            np.testing.assert_array_equal(*found)
            rows = slice(tokens) if expected.ndim == 2 else slice(None)
            np.testing.assert_allclose(found[0][rows], expected[rows], atol=TOLERANCES[kind])


def test_a_signature_alone_has_its_loop(files):
    """One subgraph for the signature, two for its loop; all operators are built in."""
    from ai_edge_litert import schema_py_generated as schema

    _, paths = files
    content = paths["int8"].read_bytes()
    for length, signature in read_signatures(content).items():
        alone = schema.Model.GetRootAsModel(only(content, signature.index), 0)
        assert (alone.SubgraphsLength(), alone.SignatureDefsLength()) == (3, 1)
        (signature,) = read_signatures(only(content, signature.index)).values()
        assert signature.length == length and signature.index == 0
        codes = [alone.OperatorCodes(i).BuiltinCode() for i in range(alone.OperatorCodesLength())]
        assert schema.BuiltinOperator.WHILE in codes
        assert schema.BuiltinOperator.CUSTOM not in codes


def test_weights_are_quantised_and_stored_once(files):
    model, paths = files
    numbers = sum(int(np.prod(variable.shape)) for variable in model.weights)
    sizes = {kind: path.stat().st_size for kind, path in paths.items()}
    graphs = sizes["float32"] - 4 * numbers
    assert 0 < graphs < 60_000
    assert sizes["float16"] - graphs < 2.3 * numbers and sizes["int8"] - graphs < 1.6 * numbers


def test_files_in_integers_alone_are_refused(files, tmp_path):
    with pytest.raises(UserError, match="a tfdistill_bilstm has no full_int8 file"):
        export_tflite_files(files[0], {tmp_path / "a.tflite": "full_int8"}, LENGTHS, [])


def test_mediapipes_file_keeps_the_loop(files):
    from ai_edge_litert.interpreter import Interpreter

    _, paths = files
    content = mediapipe_file(paths["int8"].read_bytes(), ["[PAD]"], ["no", "so", "yes"])
    run = Interpreter(model_content=content).get_signature_runner()
    lite = LiteModel(paths["int8"])
    for text in texts():
        ids, mask, types = (row[None] for row in text.values())
        scores = run(ids=ids, mask=mask, segment_ids=types)["probabilities"][0]
        np.testing.assert_array_equal(scores, lite.run(text, LENGTHS[-1])["probabilities"])
