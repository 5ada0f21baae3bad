"""Writes data/train.csv and data/test.csv from the copy that scikit-learn carries.

Diabetes: B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, "Least Angle Regression", Annals of
Statistics 32 (2004). Every fifth patient is held out.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes

if __name__ == "__main__":
    bunch = load_diabetes()
    table = np.column_stack([bunch["data"], bunch["target"]])
    head = ",".join([*bunch["feature_names"], "progression"])
    held_out = np.arange(len(table)) % 5 == 0
    for name, part in (("train", table[~held_out]), ("test", table[held_out])):
        path = Path(__file__).parent / "data" / f"{name}.csv"
        np.savetxt(path, part, fmt="%.8g", delimiter=",", header=head, comments="")
