"""Writes data/train.csv and data/test.csv from the copy that scikit-learn carries.

Breast Cancer Wisconsin (Diagnostic): W. Wolberg, O. Mangasarian, N. Street, W. Street, 1995,
UCI Machine Learning Repository, https://doi.org/10.24432/C5DW2B, CC BY 4.0.
A fifth of the rows, drawn with a fixed seed and the same share of both classes, is held out.
The first column is the class: 1 malignant, 0 benign.
"""

import csv
from pathlib import Path

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split


def main():
    """Splits the data set once and for all."""
    bunch = load_breast_cancer()
    header = ["malignant"] + [name.replace(" ", "_") for name in bunch["feature_names"]]
    rows = [
        [1 - int(target)] + [repr(float(value)) for value in features]
        for features, target in zip(bunch["data"], bunch["target"])
    ]
    train, test = train_test_split(
        rows, test_size=0.2, random_state=7, stratify=[row[0] for row in rows]
    )
    for name, part in (("train", train), ("test", test)):
        path = Path(__file__).parent / "data" / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(part)


if __name__ == "__main__":
    main()
