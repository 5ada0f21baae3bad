#!/usr/bin/env bash
# From git push to production: two models from one repository, approvals, an update under requests
# that never stop, a push that fails and a version that is rejected. Called by ./dev demo.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly slipway="${SLIPWAY:?path of the slipway binary}"
readonly work="$PWD/.demo"
readonly data="$work/data"
readonly models="$work/models"
readonly port="${SLIPWAY_DEMO_PORT:-4700}"
readonly python="$PWD/.venv/bin/python"

say() { printf '\n== %s\n' "$*"; }
sw() { "$slipway" --data "$data" "$@"; }
git_in_models() { git -C "$models" -c user.name=demo -c user.email=demo@localhost "$@"; }

if [ "${1:-}" = stop ]; then
  [ -d "$data" ] || { echo "nothing to stop"; exit 0; }
  # Also where the server is gone already: its containers may be left.
  sw down --all
  exit 0
fi

if curl -fs "http://127.0.0.1:$port/healthz" >/dev/null 2>&1; then
  echo "something answers on port $port already: ./dev demo stop, or set SLIPWAY_DEMO_PORT" >&2
  exit 1
fi
# What a demo that was cut short has left running goes before its files.
if [ -f "$data/server.json" ]; then sw down --all; fi
rm -rf "$work"
mkdir -p "$work"

say "starting Slipway on 127.0.0.1:$port, and a receiver that stands in for Slack"
sw up --detach --port "$port"
eval "$(sw env)"
"$python" examples/demo/receiver.py "$work/receiver.port" "$work/slack.txt" &
readonly receiver=$!
trap 'kill "$receiver" 2>/dev/null || true' EXIT
until [ -s "$work/receiver.port" ]; do kill -0 "$receiver"; sleep 0.1; done
.venv/bin/aws sns subscribe --protocol http \
  --topic-arn "arn:aws:sns:$AWS_REGION:$(.venv/bin/aws sts get-caller-identity --query Account --output text):slipway-notices" \
  --notification-endpoint "http://127.0.0.1:$(cat "$work/receiver.port")/" --attributes SlackFormat=true >/dev/null

say "slipway init: a repository with two models and, once, the MLOps repository"
sw init health/models --directory "$models"

say "git push: lint, test, package, train, evaluate and register both models"
git_in_models push slipway main
sw watch

say "a person approves; the deployments start by themselves"
sw approve tumour 1.0.0 --comment "a first version"
sw approve diabetes 1.0.0 --comment "a first version"
sw watch

say "second push: a better tumour model; approved, it replaces the first under requests that never stop"
git_in_models apply --directory=tumour "$PWD/examples/demo/better-model.patch"
git_in_models commit -q -a -m "feat: scale the features and use a logistic regression"
git_in_models push slipway main
sw watch
requests="$work/requests.json"
"$python" examples/demo/keep_asking.py tumour "$models/tumour/tests/smoke.csv" "$requests" &
asker=$!
trap 'kill "$asker" "$receiver" 2>/dev/null || true' EXIT
sw approve tumour 1.1.0 --comment "f1 is better"
sw watch
touch "$requests.stop"
wait "$asker"

say "a push that fails: the tests say no, nothing goes on"
sed -i 's/COLUMNS = 10/COLUMNS = 11/' "$models/diabetes/dataset.py"
git_in_models commit -q -a -m "fix: count the columns"
git_in_models push slipway main
if sw watch; then echo "this push should have failed" >&2; exit 1; fi

say "a version that is worse: trained and evaluated, then rejected by a person"
sed -i 's/COLUMNS = 11/COLUMNS = 10/' "$models/diabetes/dataset.py"
sed -i 's/alpha: 1.0/alpha: 100.0/' "$models/diabetes/slipway.yaml"
git_in_models commit -q -a -m "feat: regularise more"
git_in_models push slipway main
sw watch
sw reject diabetes 1.1.0 --comment "its error is larger than the live version's"

say "what Slack was told"
cat "$work/slack.txt"

say "both endpoints are up; call them with stock tools"
cat <<TEXT
  eval "\$($slipway --data $data env)"
  $PWD/.venv/bin/aws sagemaker-runtime invoke-endpoint --endpoint-name tumour \\
      --content-type text/csv --body fileb://$models/tumour/tests/smoke.csv /dev/stdout
  $slipway --data $data watch --once
  ./dev demo stop
TEXT
for model in tumour diabetes; do
  .venv/bin/aws sagemaker-runtime invoke-endpoint --endpoint-name "$model" --content-type text/csv \
    --body "fileb://$models/$model/tests/smoke.csv" "$work/answer.csv" >/dev/null
  echo "$model answers:"
  cat "$work/answer.csv"
done
