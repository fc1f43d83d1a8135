"""Output of the command line, without lines that only a first run on a machine prints."""


def said(err):
    """Return standard error without the lines about compiling kernels."""
    return "".join(line for line in err.splitlines(keepends=True) if not line.startswith("compiling kernels"))
