#!/bin/sh
# Install Rotoscope of this checkout into a new environment: docker/install.sh FOLDER EXTRAS, for example /opt/rotoscope cpu,live
set -eu
prefix=$1
extras=$2
cd "$(dirname "$0")/.."
python3 -m venv "$prefix"
"$prefix/bin/python" -m pip install --no-cache-dir --disable-pip-version-check -c constraints.txt ".[$extras]"
"$prefix/bin/rotoscope" version
