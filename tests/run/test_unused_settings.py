"""Settings that change nothing beside the others are named."""

import pytest

from tfdistill.command_line.run_config import RunConfig
from tfdistill.run.unused_settings import unused_settings

CLASSES = {"task": "text_classification", "train_data": "data.csv"}
BILSTM = CLASSES | {"student_type": "bilstm", "recipe": "bilstm"}
TAGS = {"task": "token_classification", "train_data": "data.conll"}
NAMED = {"task": "text_classification", "task_data": "sample_authors"}
SENTENCES = {"task": "sentence_embedding", "train_data": "sentences.txt"}


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
        (CLASSES | {"mlm_smoothing": 0.5, "layerdrop": 0.5, "corpus": "x.txt"},)
        + ({"mlm_smoothing", "layerdrop", "corpus"},),
        (CLASSES | {"corpus": "x.txt", "masked_lm_prob": 0.3, "augmentation": "tinybert"}, set()),
        (CLASSES | {"teacher": "x", "teacher_config": "L-2_H-16_A-2"}, {"teacher_config"}),
        (CLASSES | {"teacher": "x", "teacher_epochs": 2.0, "tag_column": "y"}, {"tag_column"}),
        (TAGS | {"label_column": "x", "text_pair_column": "y", "tag_column": "z"},)
        + ({"label_column", "text_pair_column"},),
        (SENTENCES | {"label_column": "x", "teacher_epochs": 2.0, "corpus": "x.txt"},)
        + ({"teacher_epochs", "corpus"},),
        ({"task": "sentence_embedding", "corpus": "x.txt"}, set()),
        (NAMED | {"label_column": "x", "data_format": "tsv"}, {"label_column", "data_format"}),
        ({"teacher": "x", "layerdrop": 0.5, "teacher_learning_rate": 1e-3},)
        + ({"layerdrop", "teacher_learning_rate"},),
        ({"teacher": "x", "layerdrop": 0.5, "layerdrop_adapt_steps": 9}, set()),
        ({"layerdrop": 0.5, "teacher_learning_rate": 1e-3, "mlm_smoothing": 0.0}, set()),
        (CLASSES | {"teacher": "x", "dropout": 0.3}, {"dropout"}),
        (CLASSES | {"teacher": "x", "dropout": 0.3, "student_config": "L-1_H-16_A-2"}, set()),
        (BILSTM | {"teacher": "x", "dropout": 0.3}, set()),
        ({"dropout": 0.3}, set()),
        ({"data_dir": "x"}, {"data_dir"}),
        ({"data_dir": "x", "corpus": "wikitext-2"}, set()),
    ],
)
def test_unused_settings(given, unused):
    assert unused_settings(RunConfig(**given)).keys() == unused


def test_a_teacher_with_its_head_is_not_trained():
    names = "teacher_epochs", "teacher_seeds", "layerwise_decay", "teacher_learning_rate"
    config = RunConfig(**CLASSES, teacher="x", **dict.fromkeys(names, 0.5) | {"teacher_seeds": 3})
    assert unused_settings(config) == {}
    assert unused_settings(config, tunes_teacher=False).keys() == {*names}
