"""Worker processes of a batch that run some code of a test before they begin."""

import textwrap
from contextlib import contextmanager


@contextmanager
def workers_with(change, tmp_path, monkeypatch):
    """Within the block, workers run this code before they begin."""
    site = tmp_path / "site"
    site.mkdir()
    begin = "import sys\nif 'rotoscope.jobs.workers.worker' in sys.orig_argv:\n"
    (site / "sitecustomize.py").write_text(begin + textwrap.indent(textwrap.dedent(change), "    "))
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.setenv("PYTHONFAULTHANDLER", "0")
        yield
