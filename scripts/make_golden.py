"""Writes the golden files of tests/golden: inputs and outputs of tiny models of Hugging Face.

    python scripts/make_golden.py [directory]

Each file contains the weights ("weights/…", with Hugging Face's names), the inputs ("inputs/…") and
PyTorch's outputs ("outputs/…"), with the config.json as metadata. The script needs torch and
transformers; the tests that read the files need neither.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

BERT = {"type_vocab_size": 2, "vocab_size": 61, "max_position_embeddings": 20}
DISTILBERT = {"vocab_size": 61, "max_position_embeddings": 20}
CASES = {
    "bert_gelu": transformers.BertConfig(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=40,
        **BERT,
    ),
    "bert_gelu_new": transformers.BertConfig(
        hidden_size=20,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=28,
        hidden_act="gelu_new",
        layer_norm_eps=1e-5,
        **BERT,
    ),
    "distilbert_gelu": transformers.DistilBertConfig(
        dim=24, n_layers=2, n_heads=2, hidden_dim=52, **DISTILBERT
    ),
    "distilbert_relu": transformers.DistilBertConfig(
        dim=21, n_layers=1, n_heads=7, hidden_dim=30, activation="relu", **DISTILBERT
    ),
}


def make_inputs(config):
    """Rows of 11, 6 and 1 real tokens, with two segments where the model has them."""
    lengths = torch.tensor([[11], [6], [1]])
    mask = (torch.arange(11) < lengths).long()
    inputs = {
        "input_ids": torch.randint(1, config.vocab_size, (3, 11)) * mask,
        "attention_mask": mask,
    }
    if config.model_type == "bert":
        inputs["token_type_ids"] = (torch.arange(11) >= lengths // 2).long() * mask
    return inputs


def make_case(config, path):
    """Runs a model whose every parameter is random, norms and biases too, and writes the file."""
    torch.manual_seed(0)
    model = transformers.AutoModelForMaskedLM.from_config(
        config, attn_implementation="eager"
    ).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
        inputs = make_inputs(config)
        out = model(**inputs, output_hidden_states=True, output_attentions=True)
    tied = set(model.all_tied_weights_keys)
    weights = {name: value for name, value in model.state_dict().items() if name not in tied}
    tensors = {f"weights/{name}": value for name, value in weights.items()}
    tensors |= {f"inputs/{name}": value.int() for name, value in inputs.items()}
    tensors["outputs/logits"] = out.logits
    for index, value in enumerate(out.hidden_states):
        tensors[f"outputs/hidden_states/{index}"] = value
    for index, value in enumerate(out.attentions):
        tensors[f"outputs/attention_probs/{index}"] = value
    tensors = {name: value.contiguous().clone() for name, value in tensors.items()}
    save_file(tensors, path, metadata={"config": json.dumps(config.to_dict())})


def main():
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden")
    directory.mkdir(parents=True, exist_ok=True)
    for name, config in CASES.items():
        make_case(config, directory / f"{name}.safetensors")


if __name__ == "__main__":
    main()
