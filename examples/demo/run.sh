#!/usr/bin/env bash
# Ships examples/models/tumour twice over one endpoint: the second commit improves the model and
# replaces the running version under requests that never stop. Called by ./dev demo.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly slipway="${SLIPWAY:?path of the slipway binary}"
readonly work="$PWD/.demo"
readonly data="$work/data"
readonly model="$work/tumour"
readonly port="${SLIPWAY_DEMO_PORT:-4700}"

say() { printf '\n== %s\n' "$*"; }

if [ "${1:-}" = stop ]; then
  [ -d "$data" ] || { echo "nothing to stop"; exit 0; }
  eval "$("$slipway" --data "$data" env)"
  .venv/bin/aws sagemaker delete-endpoint --endpoint-name tumour 2>/dev/null || true
  .venv/bin/python examples/demo/wait_until_deleted.py tumour
  "$slipway" --data "$data" down
  exit 0
fi

git_in_model() { git -C "$model" -c user.name=demo -c user.email=demo@localhost "$@"; }

if "$slipway" --data "$data" env >/dev/null 2>&1 && curl -fs "http://127.0.0.1:$port/healthz" >/dev/null 2>&1; then
  say "the server of an earlier demo still runs; using it"
else
  say "starting Slipway on 127.0.0.1:$port"
  "$slipway" --data "$data" up --detach --port "$port"
fi

say "a model repository from examples/models/tumour"
rm -rf "$model"
cp -r examples/models/tumour "$model"
git_in_model init -q -b main
git_in_model add -A
git_in_model commit -q -m "feat: a shallow tree as a first version"

say "first ship: no endpoint yet"
"$slipway" --data "$data" ship "$model" --approve

say "second commit: a better model; ships over the running endpoint while requests go on"
git_in_model apply "$PWD/examples/demo/better-model.patch"
git_in_model commit -q -a -m "feat: scale the features and use a logistic regression"
eval "$("$slipway" --data "$data" env)"
requests="$work/requests.json"
.venv/bin/python examples/demo/keep_asking.py tumour "$model/tests/smoke.csv" "$requests" &
asker=$!
trap 'kill "$asker" 2>/dev/null || true' EXIT
"$slipway" --data "$data" ship "$model" --approve-if-better
touch "$requests.stop"
wait "$asker"
trap - EXIT

say "the endpoint is up; call it with stock tools"
cat <<TEXT
  eval "\$($slipway --data $data env)"
  $PWD/.venv/bin/aws sagemaker-runtime invoke-endpoint --endpoint-name tumour \\
      --content-type text/csv --body fileb://$model/tests/smoke.csv /dev/stdout
  $slipway --data $data logs tumour -f
  ./dev demo stop
TEXT
.venv/bin/aws sagemaker-runtime invoke-endpoint --endpoint-name tumour --content-type text/csv \
  --body "fileb://$model/tests/smoke.csv" "$work/answer.csv" >/dev/null
echo "answer (probability of malignant, one line a row):"
cat "$work/answer.csv"
