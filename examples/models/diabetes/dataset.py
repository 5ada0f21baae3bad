"""The table: ten measurements of a patient and how far the disease went within a year."""

import numpy as np

COLUMNS = 10


def load(path):
    """Returns (measurements, progression) of a CSV file; its last column is the answer."""
    table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    return table[:, :-1], table[:, -1]


def rows_of(text):
    """Returns the rows of a request as an array; raises ValueError that says what is wrong."""
    lines = [line.split(",") for line in text.splitlines() if line.strip()]
    if not lines:
        raise ValueError("the request holds no row")
    for number, cells in enumerate(lines, start=1):
        if len(cells) != COLUMNS:
            raise ValueError(f"row {number} has {len(cells)} numbers instead of {COLUMNS}")
    return np.array(lines, dtype=float)
