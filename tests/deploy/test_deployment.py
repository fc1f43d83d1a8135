"""What docker/ and deploy/ hold: commands that exist, manifests that fit their schemas, metrics that are there."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from cyclopts import CycloptsError
from fake_run import STATUS
from service_client import Client, Gate

from rotoscope.cli import register
from rotoscope.runtime.live.page.metrics import metrics
from rotoscope.service import probe_routes

ROOT = Path(__file__).parents[2]
DOCKER, DEPLOY = ROOT / "docker", ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
MANIFESTS = {path.name: list(yaml.safe_load_all(path.read_text())) for path in (DEPLOY / "kubernetes").glob("*.yaml")}
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
IMAGES = sorted(DOCKER.glob("*.Dockerfile"))


def unit_settings(path):
    """Setting -> values, in order; no section of these files has a setting of another's name."""
    settings = {}
    for line in path.read_text().splitlines():
        name, is_set, value = line.partition("=")
        if is_set and not line.startswith("#"):
            settings.setdefault(name, []).append(value)
    return settings


def pods():
    """The pod templates of all manifests: (name, spec)."""
    for name, documents in MANIFESTS.items():
        for document in documents:
            if document["kind"] in ("Deployment", "Job"):
                yield f"{name} {document['kind']}", document["spec"]["template"]["spec"]


def command_lines():
    """Every command line of ours: (where it stands, words after the program)."""
    yield "compose.yaml", COMPOSE["services"]["rotoscope"]["command"]
    for path in UNITS:
        yield path.name, shlex.split(unit_settings(path)["ExecStart"][0])[1:]
    for name, pod in pods():
        for container in pod["containers"]:
            if "command" in container:
                _, is_ours, text = container["args"][0].partition("exec rotoscope ")
                if is_ours:  # not that of Ray
                    yield name, shlex.split(text.replace("$JOB_COMPLETION_INDEX", "0"))
            else:
                yield name, container["args"]
    for path in IMAGES:
        (line,) = re.findall(r"^#.*rotoscope:\w+ (translate .*)$", path.read_text(), re.MULTILINE)
        yield path.name, shlex.split(line)


@pytest.mark.parametrize(("where", "words"), list(command_lines()))
def test_every_command_is_one_that_the_command_line_takes(where, words, monkeypatch):
    monkeypatch.setenv("ROTOSCOPE_LIVE_TOKEN", "correct-horse-battery")
    try:
        register().parse_args(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        pytest.fail(f"{where}: {error}")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_has_a_watchdog_and_few_rights(path):
    settings = unit_settings(path)
    assert settings["Type"] == ["notify"] and int(settings["WatchdogSec"][0]) > 0
    assert settings["Restart"] == ["always"]
    assert settings["DynamicUser"] == settings["NoNewPrivileges"] == ["yes"]
    assert settings["ProtectSystem"] == ["strict"]
    assert settings["Environment"] == ["XDG_CACHE_HOME=/var/cache/rotoscope"]


@pytest.mark.parametrize(("name", "documents"), list(MANIFESTS.items()))
def test_manifests_fit_the_schemas_of_kubernetes(name, documents):
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="the extra dev has it")
    for document in documents:
        kubernetes_validate.validate(document, "1.33", strict=True)


def check_mounts(pod):
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]} == volumes


@pytest.mark.parametrize(("name", "pod"), list(pods()))
def test_a_pod_is_no_root_and_writes_only_to_volumes(name, pod):
    assert pod["securityContext"]["runAsNonRoot"] and pod["automountServiceAccountToken"] is False
    check_mounts(pod)
    for container in pod["containers"]:
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] and security["capabilities"] == {"drop": ["ALL"]}
        assert not security["allowPrivilegeEscalation"]
        assert {"/cache", "/tmp"} <= {mount["mountPath"] for mount in container["volumeMounts"]}
        for probe in ("startupProbe", "livenessProbe"):  # a pod whose camera is away is not started again
            assert container.get(probe, {}).get("httpGet", {}).get("path", "/livez") == "/livez"


def test_our_container_is_read_only_and_published_to_this_machine_alone():
    ours = COMPOSE["services"]["rotoscope"]
    assert ours["read_only"] and ours["cap_drop"] == ["ALL"] and ours["tmpfs"] == ["/tmp"]
    assert all(port.startswith("127.0.0.1:") for port in ours["ports"])
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOY / "compose" / source).exists(), source
        assert set(service.get("depends_on", [])) <= set(COMPOSE["services"])
    assert (DEPLOY / "compose" / ours["build"]["context"] / ours["build"]["dockerfile"]).exists()


def test_the_dashboard_asks_for_metrics_that_there_are():
    families = [*metrics(STATUS, SimpleNamespace(num_viewers=1))]
    with Client(Gate()) as client:
        families += probe_routes.metrics(client.service.lanes)
    known = {family.name for family in families} | {sample.name for family in families for sample in family.samples}
    labels = {}
    for family in families:
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    dashboard = json.loads((DEPLOY / "compose" / "grafana" / "dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(expressions) > 10
    for expression in expressions:
        (name,) = set(re.findall(r"rotoscope_\w+", expression))
        assert name in known, name
        used = {word for group in re.findall(r"by \(([^)]*)\)", expression) for word in re.split(r"[ ,]+", group)}
        used |= set(re.findall(r"(\w+)=\"", expression))
        assert used - {"le"} <= labels[name], (expression, labels[name])


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_an_image_has_no_root_a_health_check_and_files_that_exist(path):
    text = path.read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert "USER 10001:10001" in lines
    assert any(line.startswith("HEALTHCHECK ") for line in lines)
    assert lines.index("USER 10001:10001") < next(i for i, line in enumerate(lines) if line.startswith("ENTRYPOINT"))
    for source in re.findall(r"^COPY (?!--from)(\S+) ", text, re.MULTILINE):
        assert (ROOT / source).exists()
    (script,) = re.findall(r"^RUN (docker/\S+)", text, re.MULTILINE)
    assert (ROOT / script).stat().st_mode & 0o111


def run_health_check(port):
    environment = {"ROTOSCOPE_HEALTH_PORT": str(port), "PATH": ""}
    return subprocess.run([sys.executable, DOCKER / "health.py"], env=environment, capture_output=True, check=False)


def test_the_health_check_asks_the_server():
    with Client(Gate()) as client:
        assert run_health_check(client.service.port).returncode == 0
    assert run_health_check(client.service.port).returncode == 1


@pytest.mark.full
@pytest.mark.timeout(3600)  # installs all packages
def test_the_steps_of_the_cpu_image_work_in_a_plain_environment(tmp_path):
    """Run what the build runs, and the program with the image's environment in a folder that it may write to."""
    text = (DOCKER / "cpu.Dockerfile").read_text()
    (script,) = re.findall(r"^RUN (docker/install.sh) /opt/rotoscope \$EXTRAS$", text, re.MULTILINE)
    (extras,) = re.findall(r"^ARG EXTRAS=(\S+)$", text, re.MULTILINE)
    prefix = tmp_path / "rotoscope"
    subprocess.run([ROOT / script, prefix, extras], check=True)
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    environment = {"PATH": f"{prefix}/bin:/usr/bin:/bin", "XDG_CACHE_HOME": str(cache), "HOME": str(tmp_path)}
    words = ["translate", "synthetic:64x64@25", "out.mp4", "--duration", "0.2", "-m", "starry", "--steady", "off"]
    subprocess.run([prefix / "bin" / "rotoscope", *words], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "out.mp4").exists()
