import pytest

from tfdistill.models.heads.label_names import label_values, labels_of, match_labels
from tfdistill.system.errors import UserError


def test_names_come_back_in_the_order_of_the_logits():
    names = tuple("klmnopqrstu")
    values = label_values(names)
    assert labels_of(values) == names  # "10" comes after "2"
    assert values["label2id"]["u"] == 10
    assert labels_of({}) == ("LABEL_0", "LABEL_1")
    assert labels_of({"num_labels": 3}) == ("LABEL_0", "LABEL_1", "LABEL_2")


@pytest.mark.parametrize(
    "named", [{"0": "a", "2": "b"}, {"0": "a", "1": "a"}, {"a": 0}, ["a", "b"]]
)
def test_damaged_names_are_refused(named):
    with pytest.raises(UserError, match="id2label of config.json is not a name for each"):
        labels_of({"id2label": named})


def test_classes_are_matched_by_name():
    assert match_labels(("b", "a"), ("a", "b")) == ("b", "a")
    assert match_labels(("LABEL_0", "LABEL_1"), ("0", "1")) == ("0", "1")
    assert match_labels(("LABEL_0", "LABEL_1"), ("LABEL_1", "LABEL_0")) == ("LABEL_0", "LABEL_1")


def test_other_classes_are_refused():
    with pytest.raises(UserError, match="it lacks c and has b beside them"):
        match_labels(("a", "b"), ("a", "c"))
    with pytest.raises(UserError, match="its 2 classes have no names"):
        match_labels(("LABEL_0", "LABEL_1"), ("bad", "good"))
    with pytest.raises(UserError, match="it lacks 1, 2, 3, 4, 5 and 2 more;"):
        match_labels(("0",), tuple("01234567"))
