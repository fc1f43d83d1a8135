"""Lines that commands print: names in them come from files and from the command line, so nothing in a line moves the cursor."""

import sys

from rotoscope.base.text import visible


def print_lines(*lines: str) -> None:
    """Print lines on standard output; what is not printable in a line becomes ?."""
    for line in lines:
        print(visible(line))


def report_lines(*lines: str) -> None:
    """Print lines on standard error; what is not printable in a line becomes ?."""
    for line in lines:
        print(visible(line), file=sys.stderr)
