"""The fully connected operators of a TFLite file alone: how much of its time they need."""

import math

import numpy as np

from tfdistill.deployment.flat_model import pack, unpack
from tfdistill.deployment.signatures import read_signatures
from tfdistill.system.quiet import quiet_native_output


class FullyConnected:
    """The fully connected operators of one length of a file, with its weights and nothing else.

    They run on one thread.

    Args:
        path: the file.
        length: one of its lengths.

    Attributes:
        multiply_adds: of all operators, for one text.

    Raises:
        ValueError, RuntimeError: LiteRT cannot run them.
    """

    def __init__(self, path, length):
        from ai_edge_litert.interpreter import Interpreter

        content = path.read_bytes()
        content, self.multiply_adds = _alone(content, read_signatures(content)[length].index)
        with quiet_native_output():
            self._interpreter = Interpreter(model_content=content, num_threads=1)
            self._interpreter.allocate_tensors()
        generator = np.random.default_rng(0)
        for each in self._interpreter.get_input_details():
            values = generator.normal(0, 1, each["shape"])
            if np.issubdtype(each["dtype"], np.integer):
                values = np.clip(50 * values, -100, 100)
            self._interpreter.set_tensor(each["index"], values.astype(each["dtype"]))
        self.run()  # LiteRT finds some errors only then

    def run(self, number=0):
        """Runs all operators once, with the same inputs each time."""
        self._interpreter.invoke()


def _alone(content, index):
    """A file with the fully connected operators of a signature: (bytes, multiply-adds)."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    model = unpack(content)
    entry = model.signatureDefs[index]
    graph = model.subgraphs[entry.subgraphIndex]
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]

    def constant(tensor):
        data = model.buffers[graph.tensors[tensor].buffer].data
        return data is not None and len(data) > 0

    def is_kind(operator, code):
        return codes[operator.opcodeIndex] == code

    own = [each for each in graph.operators if is_kind(each, BuiltinOperator.FULLY_CONNECTED)]
    needed = {tensor for each in own for tensor in each.inputs}
    kept, multiply_adds, made = [], 0, set()
    for each in graph.operators:
        of_weights = is_kind(each, BuiltinOperator.DEQUANTIZE) and constant(each.inputs[0])
        if each in own or (of_weights and each.outputs[0] in needed):  # float16 weights
            kept.append(each)
            made.update(each.outputs)
    for each in own:
        columns = graph.tensors[each.inputs[1]].shape[-1]
        multiply_adds += math.prod(map(int, [*graph.tensors[each.outputs[0]].shape, columns]))
    read = [tensor for each in kept for tensor in each.inputs if tensor >= 0]
    given = [each for each in dict.fromkeys(read) if each not in made and not constant(each)]
    results = [each for each in dict.fromkeys(made) if each not in read]
    graph.operators, graph.inputs, graph.outputs = kept, given, results
    used = {*read, *made}
    for number, tensor in enumerate(graph.tensors):
        if number not in used:
            tensor.buffer = 0
    model.subgraphs, model.signatureDefs, model.metadata = [graph], [], []
    return pack(model), multiply_adds
