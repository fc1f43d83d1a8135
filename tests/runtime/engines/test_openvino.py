"""OpenVINO's engine, where it touches the process that it runs in."""

import subprocess
import sys

ENGINES_COME_AND_GO = """
import faulthandler, gc, os, signal, sys
import numpy as np
from rotoscope.runtime.engines.openvino import OpenVinoEngine

faulthandler.enable()  # gives the thread a signal stack, which the plugin keeps for later
engines = [OpenVinoEngine(sys.argv[1]) for _ in range(2)]
while engines:
    engines.pop(0)
    gc.collect()
came = []
signal.signal(signal.SIGUSR1, lambda *_: came.append(True))
os.kill(os.getpid(), signal.SIGUSR1)
assert came
"""


def test_signals_are_handled_when_engines_are_gone(identity):
    done = subprocess.run(
        [sys.executable, "-c", ENGINES_COME_AND_GO, identity], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
