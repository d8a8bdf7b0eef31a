"""Settings that change nothing beside the others are named."""

import pytest

from tfdistill.command_line.run_config import RunConfig
from tfdistill.run.unused_settings import unused_settings

CLASSES = {"task": "text_classification", "train_data": "data.csv"}
BILSTM = CLASSES | {"student_type": "bilstm", "recipe": "bilstm"}


@pytest.mark.parametrize(
    ("given", "unused"),
    [
        ({}, set()),
        ({"vocabulary_size": 500, "embedding_size": 64}, {"vocabulary_size", "embedding_size"}),
        (BILSTM | {"vocabulary_size": 500, "embedding_size": 64}, set()),
        ({"word_vectors": "x.txt"}, {"word_vectors"}),
        ({"word_vectors": "x.txt", "student_init": "word_vectors"}, set()),
        (CLASSES | {"word_vectors": "x.txt", "augmentation": "tinybert"}, set()),
        (CLASSES | {"augmentation_ngrams": "masked"}, {"augmentation_ngrams"}),
        (CLASSES | {"augmentation": "tinybert", "augmentation_tag_probability": 0.3},)
        + ({"augmentation_tag_probability"},),
        ({"label_column": "x", "patience": 9}, {"label_column", "patience"}),
        (CLASSES | {"label_column": "x", "patience": 9, "masked_lm_prob": 0.3}, {"masked_lm_prob"}),
        (CLASSES | {"doc_stride": 16}, {"doc_stride"}),
        (CLASSES | {"encoding_errors": "skip"}, set()),
        ({"task": "question_answering", "train_data": "x", "doc_stride": 16}, set()),
        ({"teacher": "x", "teacher_steps": 9}, {"teacher_steps"}),
        ({"teacher": "x", "teacher_weights": "1"}, {"teacher_weights"}),
        ({"teacher": "x,y", "teacher_weights": "1,2"}, set()),
        ({"cached_mask_epochs": 2}, {"cached_mask_epochs"}),
        ({"steps": 5, "n_epoch": 2.5}, {"n_epoch"}),
        ({"data_dir": "x"}, {"data_dir"}),
        ({"data_dir": "x", "corpus": "wikitext-2"}, set()),
    ],
)
def test_unused_settings(given, unused):
    assert unused_settings(RunConfig(**given)).keys() == unused
