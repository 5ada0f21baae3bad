"""Trains the classifier: reads /opt/ml/input, writes /opt/ml/model."""

import json
import os
import pickle
from pathlib import Path

from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier

from features import read_labelled

ROOT = Path(os.environ.get("ML_ROOT", "/opt/ml"))


def build(hyperparameters):
    """Returns the untrained model that the hyperparameters ask for."""
    return DecisionTreeClassifier(
        max_depth=int(hyperparameters.get("max_depth", "2")), random_state=0
    )


def main():
    """Runs one training job."""
    hyperparameters = json.loads((ROOT / "input/config/hyperparameters.json").read_text())
    features, labels = read_labelled(ROOT / "input/data/training/train.csv")
    model = build(hyperparameters)
    score = cross_val_score(model, features, labels, cv=5, scoring="f1").mean()
    print(f"rows={len(labels)} validation f1={score:.4f}", flush=True)
    model.fit(features, labels)
    with open(ROOT / "model/model.pkl", "wb") as file:
        pickle.dump(model, file)


if __name__ == "__main__":
    main()
