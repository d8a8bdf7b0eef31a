"""What the tests of the data share."""

import pytest

from tfdistill.data.tokenizer import load_tokenizer


@pytest.fixture(scope="session")
def tokenizer():
    return load_tokenizer()
