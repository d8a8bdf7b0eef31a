"""The script that makes a folder of a published sentence encoder's ONNX file."""

from types import SimpleNamespace

import numpy as np
import published_encoder as script
import pytest


@pytest.fixture(scope="module")
def graph(tiny_model, tiny_tokenizer):
    """An encoder, and the nodes and tensors that its ONNX file would have."""
    from tfdistill.models.configs.bert import encoder_tensors

    model = tiny_model(vocab_size=tiny_tokenizer.vocab_size, max_position_embeddings=32)
    nodes, tensors = [], {"onnx::Constant": np.float32(8)}
    for name, (variable, transposed) in encoder_tensors(model.encoder).items():
        full, number = f"model.0.auto_model.{name}", len(nodes)
        tensors[f"onnx::MatMul_{number}" if transposed else full] = variable.numpy()
        if not transposed:
            continue
        product, bias = f"product_{number}", full.replace(".weight", ".bias")
        both = [bias, product] if number % 4 else [product, bias]  # in either order
        nodes.append(node("MatMul", [f"states_{number}", f"onnx::MatMul_{number}"], product))
        nodes.append(node("Add", both, f"sum_{number}"))
    nodes.append(node("MatMul", ["queries", "keys"], "scores"))  # of no matrix
    nodes.append(node("Add", ["scores", "onnx::Constant"], "masked"))
    return model, nodes, tensors


def node(kind, inputs, output):
    return SimpleNamespace(op_type=kind, input=inputs, output=[output])


def test_matrices_have_the_names_of_their_biases(graph):
    from tfdistill.models.configs.bert import encoder_tensors

    model, nodes, tensors = graph
    found = script.named_tensors(nodes, tensors)
    expected = encoder_tensors(model.encoder)
    assert set(found) == set(expected)
    for name, (variable, transposed) in expected.items():
        array = variable.numpy()
        np.testing.assert_array_equal(found[name], array.T if transposed else array)


def test_the_folder_gives_means_of_the_same_states(graph, tiny_tokenizer, tmp_path):
    import tfdistill
    from tfdistill.deployment.label_predictor import LabelPredictor

    model, nodes, tensors = graph
    made = script.sentence_encoder(script.named_tensors(nodes, tensors), model.config)
    tfdistill.save_model(made, tmp_path)
    tiny_tokenizer.save(tmp_path)
    (found,) = LabelPredictor.open(tmp_path).predict(["the sea"])
    ids, mask = (each[None] for each in tiny_tokenizer.encode("the sea", 32))

    def run(ids, mask):
        inputs = {"input_ids": ids, "attention_mask": mask}
        hidden = model(inputs)["last_hidden_state"].numpy()
        return hidden, (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)

    np.testing.assert_allclose(found["embedding"], run(ids, mask)[1][0], atol=1e-5)
    assert script.distance(made, tiny_tokenizer, run) < 1e-5
    other = script.distance(made, tiny_tokenizer, lambda *row: (run(*row)[0] + 0.5, run(*row)[1]))
    assert other == pytest.approx(0.5, abs=1e-5)
