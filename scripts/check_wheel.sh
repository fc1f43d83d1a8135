#!/usr/bin/env bash
# Build the wheel, install it into an empty environment outside the checkout, and run `rotoscope doctor` there.
# Usage: scripts/check_wheel.sh [FOLDER]     the wheel is kept in FOLDER, by default dist/
set -euo pipefail
cd "$(dirname "$0")/.."
checkout=$PWD
mkdir -p "${1:-dist}"
dist=$(cd "${1:-dist}" && pwd)
bare=$(mktemp -d)
trap 'rm -rf "$bare"' EXIT

python=${PYTHON:-python3}
"$python" -m venv "$bare/venv"
pip=("$bare/venv/bin/python" -m pip --disable-pip-version-check --quiet)
rm -f "$dist"/rotoscope-*.whl
"${pip[@]}" wheel --no-deps --wheel-dir "$dist" "$checkout"
wheel=$(echo "$dist"/rotoscope-*.whl)
"${pip[@]}" install --constraint "$checkout/constraints.txt" "$wheel[cpu]"

cd "$bare"  # so that the package of the checkout cannot be imported
venv/bin/rotoscope --version
venv/bin/rotoscope doctor
echo "$wheel: installs and works in an empty environment"
