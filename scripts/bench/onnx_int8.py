"""Times a masked LM's int8 TFLite file beside the same model in ONNX Runtime int8.

    python scripts/bench/onnx_int8.py MODEL FILE.tflite [--tokens=32] [--rounds=100]

MODEL is a Hugging Face directory, FILE.tflite what tfdistill.export wrote from it. Needs torch,
transformers, onnx and onnxruntime beside tfdistill, in an environment of its own. PyTorch exports
the model for texts of just this length; like the TFLite file, it projects one [MASK] onto the
vocabulary. ONNX Runtime quantizes the weights to int8 (dynamic), as it comes and with the operators
of layers fused before, with scales for tensors and for channels. All run in turn on one thread.
Prints the processor, and for each: size, median CPU time, how many times as fast the TFLite file
is, and the largest difference of the logits from PyTorch's.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.optimizer import optimize_model

from tfdistill.deployment.latency import random_row, times_in_turn
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.system import hardware

MASKED = "masked_positions"


class OneMask(torch.nn.Module):
    """The logits of one position."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, masked_positions):
        hidden = self.model.base_model(input_ids=input_ids, attention_mask=attention_mask)[0]
        places = masked_positions[..., None].expand(-1, -1, hidden.shape[-1])
        row = torch.gather(hidden, 1, places)
        if hasattr(self.model, "cls"):  # BERT
            return self.model.cls(row)
        row = self.model.activation(self.model.vocab_transform(row))
        return self.model.vocab_projector(self.model.vocab_layer_norm(row))


def write_files(model, row, folder):
    """Writes the ways of quantizing: dict of names to paths."""
    plain = folder / "float32.onnx"
    inputs = tuple(torch.tensor(value) for value in row.values())
    torch.onnx.export(
        OneMask(model), inputs, plain, input_names=[*row], output_names=["logits"], dynamo=False
    )
    config = model.config
    fused = folder / "fused.onnx"
    heads = config.num_attention_heads
    optimize_model(
        str(plain), "bert", num_heads=heads, hidden_size=config.hidden_size, opt_level=1
    ).save_model_to_file(str(fused))
    paths = {}
    for name, source in (("as it comes", plain), ("fused", fused)):
        for kind, per_channel in (("tensors", False), ("channels", True)):
            path = folder / f"{source.stem}_{kind}.onnx"
            quantize_dynamic(
                source,
                path,
                weight_type=QuantType.QInt8,
                per_channel=per_channel,
                extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},  # of fused operators
            )
            paths[f"ONNX Runtime, {name}, {kind}"] = path
    return paths


def run_of(path, row):
    """A function that runs a file on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    peer = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return lambda number: peer.run(None, row)[0][0]


def main():
    """Compares the files."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="Hugging Face directory of a masked LM")
    parser.add_argument("file", type=Path, help="its int8 TFLite file")
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=100)
    flags = parser.parse_args()
    torch.set_num_threads(1)
    model = transformers.AutoModelForMaskedLM.from_pretrained(
        flags.model, attn_implementation="eager"
    ).eval()
    lite = LiteModel(flags.file)
    text = random_row(lite, flags.tokens)
    row = {
        name: np.asarray(text[name], np.int64)[None, : flags.tokens]
        for name in ("input_ids", "attention_mask", MASKED)
    }
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        exact = OneMask(model)(*(torch.tensor(value) for value in row.values()))[0].numpy()
        paths = write_files(model, row, Path(folder))
        runs = {flags.file.name: lambda number: lite.logits(text)}
        runs |= {name: run_of(path, row) for name, path in paths.items()}
        sizes = {name: path.stat().st_size for name, path in paths.items()}
        sizes[flags.file.name] = flags.file.stat().st_size
        times = times_in_turn(runs, flags.rounds)
        apart = {name: np.abs(run(0) - exact).max() for name, run in runs.items()}
    print(hardware.chip(), *hardware.instruction_sets(), f"{flags.tokens} tokens")
    own = times[flags.file.name].milliseconds()["cpu_ms"]
    for name, found in times.items():
        cpu = found.milliseconds()["cpu_ms"]
        print(f"{sizes[name] / 1e6:8.2f} MB {cpu:8.2f} ms {cpu / own:6.2f} x", end="")
        print(f" {apart[name]:9.1e}   {name}")


if __name__ == "__main__":
    main()
