"""What must hold before this model may train."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from dataset import COLUMNS, load, rows_of
from evaluate import figures_of
from serve import reply_to

DATA = Path(__file__).parent.parent / "data"


def test_no_patient_is_in_both_parts():
    """What is held out must not be trained on."""
    train, _ = load(DATA / "train.csv")
    test, _ = load(DATA / "test.csv")
    assert not {row.tobytes() for row in train} & {row.tobytes() for row in test}


def test_a_perfect_prediction_has_no_error():
    """The figures point the right way."""
    figures = figures_of(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 4.0]))
    assert figures["regression_metrics"]["mse"]["value"] == 0
    assert figures["regression_metrics"]["r2"]["value"] == 1


def test_a_short_row_is_named():
    """The caller learns which row is wrong."""
    good = ",".join(["0"] * COLUMNS)
    with pytest.raises(ValueError, match="row 2 has 1 numbers"):
        rows_of(f"{good}\n7\n")


def test_a_request_gets_a_figure_for_each_row():
    """Rows in, rows out."""
    model = Ridge().fit(*load(DATA / "train.csv"))
    status, text = reply_to(model, ",".join(["0.01"] * COLUMNS) + "\n")
    assert status == 200
    assert 25 < float(text) < 350
