"""Measures the trained model on patients that it has not seen."""

import json
import os
import tarfile
from pathlib import Path

import joblib
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from dataset import load

ROOT = Path(os.environ.get("PROCESSING_ROOT", "/opt/ml/processing"))


def figures_of(truth, predicted):
    """Returns the report in the form of SageMaker's model quality statistics."""
    error = mean_squared_error(truth, predicted)
    values = {
        "mse": error,
        "rmse": error**0.5,
        "mae": mean_absolute_error(truth, predicted),
        "r2": r2_score(truth, predicted),
    }
    return {"regression_metrics": {name: {"value": value} for name, value in values.items()}}


def main():
    """Runs one evaluation job."""
    with tarfile.open(ROOT / "input/model/model.tar.gz") as archive:
        model = joblib.load(archive.extractfile("ridge.joblib"))
    measurements, progression = load(ROOT / "input/test/test.csv")
    report = figures_of(progression, model.predict(measurements))
    target = ROOT / "output/evaluation/evaluation.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(report, indent=2))
    print(json.dumps(report["regression_metrics"]))


if __name__ == "__main__":
    main()
