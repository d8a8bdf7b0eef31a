"""The kernels that the installed TensorFlow and its GPU plugin register."""

import collections

GROUPS = ("GPU", "DEFAULT")  # kernels of the plugin; TensorFlow's kernels for every device


def registered():
    """Lists the kernels by group and operator, in the format of the bundled inventory.

    Returns:
        {"GPU" or "DEFAULT": {operator: [{"types": {attribute: [types]}, "host": [arguments]}]}}.
    """
    import tensorflow as tf
    from tensorflow.python.framework import kernels

    found = {group: collections.defaultdict(list) for group in GROUPS}
    for kernel in kernels.get_all_registered_kernels().kernel:
        if kernel.device_type in GROUPS:
            types = {
                constraint.name: [tf.as_dtype(t).name for t in constraint.allowed_values.list.type]
                for constraint in kernel.constraint
            }
            entry = {"types": types, "host": list(kernel.host_memory_arg)}
            found[kernel.device_type][kernel.op].append(entry)
    return {group: dict(sorted(operators.items())) for group, operators in found.items()}


def missing(expected, found):
    """Lists the kernels that are expected but not found.

    Args:
        expected, found: {operator: [{"types": …}]}.

    Returns:
        A sorted list of texts, such as "MatMul T=float32".
    """
    return sorted(_texts(expected) - _texts(found))


def _texts(kernels):
    texts = set()
    for operator, entries in kernels.items():
        for entry in entries:
            # An entry may list several types: one text for each combination.
            combinations = [operator]
            for name, types in sorted(entry["types"].items()):
                types = [types] if isinstance(types, str) else types
                combinations = [f"{text} {name}={t}" for text in combinations for t in types]
            texts.update(combinations)
    return texts
