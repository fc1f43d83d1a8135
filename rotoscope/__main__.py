"""`python -m rotoscope` is the command line."""

import sys

from rotoscope.cli import main

sys.exit(main())
