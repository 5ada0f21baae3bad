"""Evaluates the trained model on the held-out rows and writes the report."""

import json
import os
import pickle
import tarfile
from pathlib import Path

from sklearn.metrics import confusion_matrix, f1_score, roc_auc_score

from features import read_labelled

ROOT = Path(os.environ.get("PROCESSING_ROOT", "/opt/ml/processing"))


def report(labels, predictions, scores):
    """Returns the figures in the form of SageMaker's model quality statistics."""
    matrix = confusion_matrix(labels, predictions).tolist()
    return {
        "binary_classification_metrics": {
            "f1": {"value": f1_score(labels, predictions), "standard_deviation": "NaN"},
            "auc": {"value": roc_auc_score(labels, scores), "standard_deviation": "NaN"},
            "confusion_matrix": {
                "0": {"0": matrix[0][0], "1": matrix[0][1]},
                "1": {"0": matrix[1][0], "1": matrix[1][1]},
            },
        }
    }


def main():
    """Runs one evaluation job."""
    with tarfile.open(ROOT / "input/model/model.tar.gz") as archive:
        with archive.extractfile("model.pkl") as file:
            model = pickle.load(file)
    features, labels = read_labelled(ROOT / "input/test/test.csv")
    scores = model.predict_proba(features)[:, 1]
    result = report(labels, model.predict(features), scores)
    (ROOT / "output/evaluation").mkdir(parents=True, exist_ok=True)
    (ROOT / "output/evaluation/evaluation.json").write_text(json.dumps(result, indent=2))
    figures = result["binary_classification_metrics"]
    print(f"held-out f1={figures['f1']['value']:.4f} auc={figures['auc']['value']:.4f}")


if __name__ == "__main__":
    main()
