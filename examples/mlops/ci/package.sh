#!/bin/sh
# Packages the model in $1: image, semantic version, data, DAGs. Leaves package.env (for later jobs)
# and training.json (the training DAG's configuration).
set -eu

exec slipway package "$1" --dotenv package.env --configuration training.json
