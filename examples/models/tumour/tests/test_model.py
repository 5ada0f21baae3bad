"""Tests of the parts that a wrong change would break first."""

import json

import pytest

from evaluate import report
from features import FEATURES, parse_csv, read_labelled
from serve import predict
from train import build


@pytest.fixture(scope="module", name="trained")
def _trained():
    features, labels = read_labelled("data/train.csv")
    return build({}).fit(features, labels)


def test_rows_are_read_with_their_labels():
    """The held-out file has both classes and thirty features."""
    features, labels = read_labelled("data/test.csv")
    assert {len(row) for row in features} == {FEATURES}
    assert set(labels) == {0, 1}


def test_a_short_row_is_named():
    """The caller learns which row is wrong."""
    good = ",".join(["1"] * FEATURES)
    with pytest.raises(ValueError, match="row 2: 2 values instead of 30"):
        parse_csv(good + "\n1,2\n")


def test_csv_and_json_give_the_same_scores(trained):
    """One model behind two formats."""
    row = ["1.5"] * FEATURES
    as_csv, kind = predict(trained, ",".join(row).encode(), "text/csv", "")
    assert kind == "text/csv"
    body = b'{"instances": [[' + ",".join(row).encode() + b"]]}"
    as_json, kind = predict(trained, body, "application/json", "")
    assert kind == "application/json"
    score = json.loads(as_json)["predictions"][0]["malignant"]
    assert float(as_csv) == pytest.approx(score)


def test_the_report_counts_what_was_confused():
    """Rows are truth, columns are predictions."""
    figures = report([0, 0, 1, 1], [0, 1, 1, 1], [0.1, 0.6, 0.7, 0.9])
    matrix = figures["binary_classification_metrics"]["confusion_matrix"]
    assert matrix == {"0": {"0": 1, "1": 1}, "1": {"0": 0, "1": 2}}
