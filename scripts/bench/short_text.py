"""Measures where the time of one call of a masked LM's TFLite file goes.

    taskset -c 0 python scripts/bench/short_text.py FILE.tflite [--length 32] [--rounds 100]

Runs a row without padding on one thread: after other memory was read, so that the weights are no
longer in the processor's caches, and directly after another call. Then it runs the operators of
each part alone, directly after such a run. Prints the name of the processor, medians of CPU time,
and the share of the call with warm caches. Shares need not add up to 1: a part alone finds more of
its data in the nearest caches.
"""

import argparse
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from tfdistill.deployment.flat_model import leave_subgraph, pack, unpack
from tfdistill.deployment.latency import LOWEST_IDS, times_in_turn
from tfdistill.deployment.signatures import read_signatures
from tfdistill.system import hardware
from tfdistill.system.quiet import quiet_native_output

NAMES = {number: name for name, number in vars(schema.BuiltinOperator).items()}
LOOKUPS = {"GATHER", "DEQUANTIZE", "CAST", "SELECT_V2", "NOT_EQUAL"}
ATTENTION = {"BATCH_MATMUL", "SOFTMAX", "TRANSPOSE"}
MORE_THAN_CACHES = 256 * 2**20  # bytes


def opened(content, length):
    """The graph of one length: (model, graph, names of its operators)."""
    place = read_signatures(content)[length].index
    model = unpack(content)
    graph = leave_subgraph(model, model.signatureDefs[place].subgraphIndex)
    codes = [max(each.builtinCode, each.deprecatedBuiltinCode) for each in model.operatorCodes]
    model.signatureDefs, model.metadata = [], []
    return model, graph, [NAMES[codes[each.opcodeIndex]] for each in graph.operators]


def parts_of(graph, names):
    """The part of each operator of a graph."""
    ranks = [len(() if each.shape is None else each.shape) for each in graph.tensors]
    made = {out: names[at] for at, each in enumerate(graph.operators) for out in each.outputs}
    words = max(int(graph.tensors[out].shape[-1]) for out in graph.outputs)
    found = []
    for name, each in zip(names, graph.operators, strict=True):
        inputs = [index for index in each.inputs if index >= 0]
        if name == "FULLY_CONNECTED":
            of_words = graph.tensors[each.outputs[0]].shape[-1] == words
            found.append("product with the vocabulary" if of_words else "other products")
        elif name == "GELU":
            found.append("GELU")
        elif name in LOOKUPS or any(made.get(index) in LOOKUPS - {"SELECT_V2"} for index in inputs):
            found.append("lookups and mask")
        elif name in ATTENTION or max(ranks[index] for index in (*inputs, *each.outputs)) > 3:
            found.append("attention without its products with weights")
        else:
            found.append("norms and residuals")
    return found


def run_of(content, length, part=None):
    """A function that runs a length, or the operators of one of its parts."""
    model, graph, names = opened(content, length)
    if part:
        parts = parts_of(graph, names)
        kept = [each for each, own in zip(graph.operators, parts, strict=True) if own == part]
        data = [model.buffers[each.buffer].data for each in graph.tensors]
        made = {out for each in kept for out in each.outputs}
        read = [index for each in kept for index in each.inputs if index >= 0]
        given = [
            each
            for each in read
            if each not in made and (data[each] is None or not len(data[each]))
        ]
        graph.operators, graph.inputs = kept, list(dict.fromkeys(given))
        graph.outputs = [each for each in dict.fromkeys(made) if each not in read]
    with quiet_native_output():
        interpreter = Interpreter(model_content=pack(model), num_threads=1)
        interpreter.allocate_tensors()
    generator = np.random.default_rng(0)
    for each in interpreter.get_input_details():
        floats = np.issubdtype(each["dtype"], np.floating)
        wide = each["shape"][-1] == length and "ids" in each["name"] and "type" not in each["name"]
        values = generator.random(each["shape"]) + 0.1  # variances are positive
        if not floats:  # ids; else a mask, token types or places in the row
            values = (
                generator.integers(0, LOWEST_IDS, each["shape"]) if wide else np.ones_like(values)
            )
        interpreter.set_tensor(each["index"], values.astype(each["dtype"]))
    interpreter.invoke()
    return lambda number: interpreter.invoke()


def main():
    """Times the whole call and its parts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="TFLite file of a masked LM")
    parser.add_argument("--length", type=int, default=32, help="one of the file's lengths")
    parser.add_argument("--rounds", type=int, default=100)
    flags = parser.parse_args()
    content = flags.file.read_bytes()
    print(hardware.chip(), *hardware.instruction_sets())
    other, whole = np.ones(MORE_THAN_CACHES // 8), run_of(content, flags.length)
    runs = {"other memory": lambda number: other.sum(), "cold": whole, "warm": whole}
    times = times_in_turn(runs, flags.rounds)
    cold, warm = (times[name].milliseconds()["cpu_ms"] for name in ("cold", "warm"))
    print(f"{1000 * cold:9.1f} us        after other memory was read")
    print(f"{1000 * warm:9.1f} us   1.00 after another call")
    _, graph, names = opened(content, flags.length)
    parts = dict.fromkeys(parts_of(graph, names))
    runs = {part: run_of(content, flags.length, part) for part in parts}
    for part, found in times_in_turn(runs, flags.rounds, twice=True).items():
        alone = found.milliseconds()["cpu_ms"]
        print(f"{1000 * alone:9.1f} us   {alone / warm:.2f} {part}")


if __name__ == "__main__":
    main()
