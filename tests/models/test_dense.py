import ast
from pathlib import Path

import numpy as np

import tfdistill
from tfdistill.models.dense import dense

PACKAGE = Path(tfdistill.__file__).parent


def test_dense_is_a_matrix_product_and_a_bias():
    layer = dense(3, "part")
    layer.build((None, 2))
    assert layer.name == "part" and not np.any(layer.kernel)
    layer.kernel.assign(np.arange(6.0).reshape(2, 3))
    layer.bias.assign([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(layer(np.array([[1.0, 10.0]])), [[31.0, 43.0, 55.0]])


def test_no_other_module_makes_dense_layers():
    """Changes of all matrix products, such as quantization or pruning, then need one place."""
    makers = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = getattr(node, "attr", getattr(node, "id", getattr(node, "name", "")))
            if name in ("Dense", "EinsumDense"):
                makers.add(str(path.relative_to(PACKAGE)))
    assert makers == {"models/dense.py"}
