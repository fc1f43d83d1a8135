"""Facts that several files of the project state agree."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import rotoscope

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pinned(package):
    return re.search(
        rf"^{re.escape(package)}==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE | re.IGNORECASE
    )[1]


def test_the_version_is_written_once_and_has_its_place_in_the_changelog():
    assert "version" not in PROJECT["project"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "rotoscope/base/version.py"
    assert re.search(
        rf"^## {re.escape(rotoscope.__version__)} - \d{{4}}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.M
    )


def test_the_release_workflow_finds_the_version():
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    program = re.search(r'python -c "(.+)"\)', workflow)[1].replace('\\"', '"')
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == rotoscope.__version__


def test_pre_commit_runs_the_ruff_that_ci_runs():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert f"ruff-pre-commit\n    rev: v{pinned('ruff')}\n" in hooks


def test_every_development_tool_is_pinned():
    for requirement in PROJECT["project"]["optional-dependencies"]["dev"]:
        name = re.match(r"[\w-]+", requirement)[0]
        assert name == "rotoscope" or pinned(name.replace("pre-commit", "pre_commit")), requirement


def test_links_between_pages_lead_somewhere():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []
