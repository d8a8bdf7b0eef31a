"""Fixtures of the comparison with PyTorch."""

import importlib

import pytest


@pytest.fixture(scope="module")
def torch():
    # Not importorskip: who asks for the comparison is not to be told that all is well without it.
    return importlib.import_module("torch")


@pytest.fixture(scope="module")
def transformers(torch):
    return importlib.import_module("transformers")
