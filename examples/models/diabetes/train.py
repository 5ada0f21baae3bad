"""Fits a ridge regression: reads /opt/ml/input, writes /opt/ml/model."""

import json
import os
from pathlib import Path

import joblib
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score

from dataset import load

ROOT = Path(os.environ.get("ML_ROOT", "/opt/ml"))


def main():
    """Runs one training job."""
    settings = json.loads((ROOT / "input/config/hyperparameters.json").read_text())
    measurements, progression = load(ROOT / "input/data/training/train.csv")
    model = Ridge(alpha=float(settings.get("alpha", "1.0")))
    scores = cross_val_score(
        model, measurements, progression, cv=5, scoring="neg_mean_squared_error"
    )
    print(f"patients={len(progression)} validation mse={-scores.mean():.2f}", flush=True)
    joblib.dump(model.fit(measurements, progression), ROOT / "model/ridge.joblib")


if __name__ == "__main__":
    main()
