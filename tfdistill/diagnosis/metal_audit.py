"""Finds operators of a graph that have no kernel in Apple's Metal plugin and would run on the CPU.

The inventory (assets/metal) lists the kernels that tensorflow-metal 1.2.0 registers ("GPU") and
TensorFlow's kernels for every device ("DEFAULT"). An operator without a kernel costs a copy to the
CPU and back. Small tensors such as scalars are ignored.
"""

import collections
import dataclasses
import json
from pathlib import Path

INVENTORY = Path(__file__).parents[1] / "assets" / "metal" / "kernels_1.2.0.json"
SMALL = 8  # elements; copies of tensors up to this size are ignored
FLOATS = ("float32", "float16", "bfloat16", "float64")
# The plugin fuses this sequence wrongly in graph mode: errors of tens of units.
FAULTY_FUSION = ("MatMul", "BatchMatMul", "BatchMatMulV2"), "BiasAdd", "Relu"


@dataclasses.dataclass(frozen=True)
class Finding:
    """Operators of one type with a problem on Metal.

    Args:
        operator: type of the operators.
        types: their type attributes, such as ("T=float32",).
        count: number of them.
        reason: the problem.
        example: name of one of them.
    """

    operator: str
    types: tuple
    count: int
    reason: str
    example: str


def load_inventory(file=INVENTORY):
    """Reads an inventory of kernels: {operator: [{type attribute: accepted types}]}.

    Args:
        file: a JSON file with the keys GPU and DEFAULT.

    Returns:
        A dict; types are tuples of names, such as ("float32",).
    """
    stored = json.loads(Path(file).read_text())
    kernels = collections.defaultdict(list)
    for group in ("GPU", "DEFAULT"):
        for operator, entries in stored[group].items():
            for entry in entries:
                types = {
                    name: (value,) if isinstance(value, str) else tuple(value)
                    for name, value in entry["types"].items()
                }
                kernels[operator].append(types)
    return dict(kernels)


def has_kernel(operator, types, kernels):
    """Whether there is a kernel for an operator with these types.

    Args:
        operator: type of the operator.
        types: dict of type attributes to names of types.
        kernels: see `load_inventory`.

    Returns:
        A bool.
    """
    return any(
        all(types.get(name) in allowed for name, allowed in kernel.items())
        for kernel in kernels.get(operator, ())
    )


def audit(graph, kernels):
    """Finds the problems on Metal in a graph and in all functions that it calls.

    Args:
        graph: a `tf.Graph`, traced without XLA.
        kernels: see `load_inventory`.

    Returns:
        A list of `Finding`s, empty for a clean graph.
    """
    found = collections.defaultdict(list)
    for operation in operations(graph):
        types = _types(operation)
        key = operation.type, tuple(f"{name}={value}" for name, value in sorted(types.items()))
        if _ends_faulty_fusion(operation):
            found[key, "follows MatMul and BiasAdd: fused wrongly"].append(operation.name)
        if not _is_heavy(operation) or has_kernel(operation.type, types, kernels):
            continue
        if _is_unused(operation):
            continue
        found[key, "no kernel: runs on the CPU"].append(operation.name)
    return [
        Finding(*key, len(names), reason, names[0])
        for (key, reason), names in sorted(found.items())
    ]


def count(graph):
    """Counts the operators of a graph and its functions: (all, heavy ones)."""
    heavy = [_is_heavy(operation) for operation in operations(graph)]
    return len(heavy), sum(heavy)


def operations(graph):
    """Yields all operations of a graph and, recursively, of the functions that it calls.

    Args:
        graph: a `tf.Graph`.
    """
    seen, graphs = set(), [graph]
    while graphs:
        graph = graphs.pop()
        for operation in graph.get_operations():
            yield operation
            for attribute in operation.node_def.attr.values():
                names = [attribute.func.name, *(f.name for f in attribute.list.func)]
                for name in filter(None, names):
                    if name not in seen:
                        seen.add(name)
                        graphs.append(graph._get_function(name).graph)


def _types(operation):
    """Type attributes with one value: {"T": "float32"}."""
    import tensorflow as tf

    return {
        name: tf.as_dtype(attribute.type).name
        for name, attribute in operation.node_def.attr.items()
        if attribute.WhichOneof("value") == "type"
    }


def _is_heavy(operation):
    """Whether it reads or writes floats or 64-bit integers of more than `SMALL` elements."""
    return any(
        tensor.dtype.base_dtype.name in (*FLOATS, "int64")
        and (tensor.shape.num_elements() is None or tensor.shape.num_elements() > SMALL)
        for tensor in (*operation.inputs, *operation.outputs)
    )


def _is_unused(operation):
    """Whether no operation reads its outputs: TensorFlow prunes it before a graph runs."""
    if not operation.outputs or operation.op_def.is_stateful:
        return False
    results = {tensor.name for tensor in operation.graph.outputs}
    return not any(tensor.consumers() or tensor.name in results for tensor in operation.outputs)


def _ends_faulty_fusion(operation):
    *before, last = FAULTY_FUSION
    for kind in (last, *reversed(before)):
        kinds = (kind,) if isinstance(kind, str) else kind
        if operation is None or operation.type not in kinds:
            return False
        operation = operation.inputs[0].op if operation.inputs else None
    return True


def format_findings(findings):
    """Writes findings as a table."""
    lines = [f"{'operator':<30}{'count':>6}  {'types':<52}reason"]
    for finding in findings:
        types = " ".join(finding.types)
        lines.append(f"{finding.operator:<30}{finding.count:>6}  {types:<52}{finding.reason}")
    return "\n".join(lines)
