"""Run the command line: `python -m rotoscope`."""

import sys

from rotoscope.cli import main

sys.exit(main())
