#!/bin/sh
# Run rotoscope on files from strangers in a container of Linux namespaces (bubblewrap, package `bubblewrap`).
#
#     scripts/contained.sh FOLDER translate clip.mp4 out.mp4 -m model.onnx
#
# FOLDER is the only folder of yours that the command sees, and the only one that it can write to; names are relative to it. There
# is no network, no other process, no device, no environment, no capability. Limits: MEMORY_GB (default 8) of data, SECONDS_OF_CPU
# (default 3600). Compiled kernels and exported models are kept in a cache that only contained runs use, because a hostile file
# could change it: ~/.cache/rotoscope-contained. PYTHON names the environment that has rotoscope (default: python3).
set -eu
if [ $# -lt 2 ] || [ ! -d "$1" ]; then
    sed -n '2,4p' "$0" | cut -c3- >&2
    exit 2
fi
folder=$(realpath "$1")
shift
python=${PYTHON:-python3}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rotoscope-contained
mkdir -p -m 700 "$cache"

# Where Python, its packages and rotoscope lie, each read-only in the container.
binds=$("$python" - <<'EOF'
import importlib.util, sys
package = importlib.util.find_spec("rotoscope").submodule_search_locations[0]
for place in dict.fromkeys((sys.base_prefix, sys.prefix, package)):
    print(f"--ro-bind {place} {place}")
print("--setenv PYTHONPATH", package.rpartition("/")[0])
EOF
)
executable=$("$python" -c 'import sys; print(sys.executable)')

# $binds holds several words; none of these folders may have a blank in its name.
# shellcheck disable=SC2086
exec prlimit --data=$((${MEMORY_GB:-8} << 30)) --cpu="${SECONDS_OF_CPU:-3600}" --core=0 \
    bwrap --unshare-all --die-with-parent --new-session --cap-drop ALL --clearenv \
    --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 \
    --ro-bind-try /etc/ld.so.cache /etc/ld.so.cache --ro-bind-try /etc/alternatives /etc/alternatives \
    --proc /proc --dev /dev --tmpfs /tmp --tmpfs /home --setenv HOME /home --setenv LANG C.UTF-8 \
    $binds \
    --bind "$cache" /contained-cache --setenv XDG_CACHE_HOME /contained-cache --bind "$folder" /contained --chdir /contained \
    "$executable" -m rotoscope "$@"
