"""What the command line says, without what depends on the machine's past."""


def said(err):
    """Standard error without the line that a first run on a machine may add."""
    return "".join(line for line in err.splitlines(keepends=True) if not line.startswith("compiling kernels"))
