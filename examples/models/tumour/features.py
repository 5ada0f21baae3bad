"""Reading rows, shared by training, evaluation and serving."""

import csv

FEATURES = 30


def read_labelled(path):
    """Returns (features, labels) of a CSV file whose first column is the label."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    features = [[float(value) for value in row[1:]] for row in rows]
    labels = [int(row[0]) for row in rows]
    return features, labels


def parse_csv(text):
    """Returns the rows of a request; raises ValueError that names the first bad one."""
    rows = []
    for number, row in enumerate(csv.reader(text.splitlines()), start=1):
        if not row:
            continue
        try:
            rows.append(checked([float(value) for value in row]))
        except ValueError as error:
            raise ValueError(f"row {number}: {error}") from error
    if not rows:
        raise ValueError("the request holds no row")
    return rows


def checked(row):
    """Returns the row if it has the right length."""
    if len(row) != FEATURES:
        raise ValueError(f"{len(row)} values instead of {FEATURES}")
    return row
