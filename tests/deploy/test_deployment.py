"""What docker/ and deploy/ hold: commands that exist, manifests that fit their schemas, metrics that are there."""

import json
import re
import shlex
import shutil
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


def steps(path, prefix, cache):
    """(instruction, text) of a Dockerfile, with the folders of the image replaced by ones that a test may write to."""
    text = re.sub(r"\\\n\s*", "", path.read_text())
    (extras,) = re.findall(r"^ARG EXTRAS=(\S+)$", text, re.MULTILINE)
    for old, new in (("$EXTRAS", extras), ("/opt/rotoscope", str(prefix)), ("/cache", str(cache))):
        text = text.replace(old, new)
    return [tuple(line.split(" ", 1)) for line in text.splitlines() if line and not line.startswith("#")]


def environment_of(image, folder):
    """The variables that ENV of the last stage sets, over a plain environment; HOME is a folder of the test."""
    values = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder)}
    for instruction, text in image:
        for word in shlex.split(text) if instruction == "ENV" else ():
            name, _, value = word.partition("=")
            values[name] = value.replace("$PATH", values["PATH"])
    return values | {"HOME": str(folder)}


def text_of(image, instruction):
    """The text of the only instruction of this name."""
    (text,) = (text for name, text in image if name == instruction)
    return text


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_the_variables_of_an_image_reach_the_program(path, tmp_path):
    """A program that prints what the entry point of the image would get."""
    image = steps(path, tmp_path / "prefix", tmp_path / "cache")
    environment = environment_of(image, tmp_path)
    (name,) = json.loads(text_of(image, "ENTRYPOINT"))
    program = tmp_path / "prefix" / "bin" / name
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$XDG_CACHE_HOME $@"\n')
    program.chmod(0o755)
    found = shutil.which(name, path=environment["PATH"])
    words = [found, *json.loads(text_of(image, "CMD"))]
    said = subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout
    assert found == str(program) and said == f"{tmp_path}/cache --help\n"


@pytest.mark.full
@pytest.mark.timeout(3600)  # installs all packages
def test_the_steps_of_the_cpu_image_work_in_a_plain_environment(tmp_path):
    """Run what the build runs, and then the entry point and the health check with the environment of the image."""
    prefix, cache, work = tmp_path / "rotoscope", tmp_path / "cache", tmp_path / "work"
    image = steps(DOCKER / "cpu.Dockerfile", prefix, cache)
    (install,) = (text for name, text in image if name == "RUN" and text.startswith("docker/"))
    subprocess.run(shlex.split(install), cwd=ROOT, check=True)
    (health,) = (text.split() for name, text in image if name == "COPY" and text.startswith("docker/health.py"))
    shutil.copy(ROOT / health[0], health[1])
    cache.mkdir(mode=0o700)
    work.mkdir()
    environment = environment_of(image, tmp_path)
    (entry,) = json.loads(text_of(image, "ENTRYPOINT"))
    program = shutil.which(entry, path=environment["PATH"])
    assert program == str(prefix / "bin" / "rotoscope")
    subprocess.run([program, *json.loads(text_of(image, "CMD"))], cwd=work, env=environment, check=True)
    words = ["translate", "synthetic:64x64@25", "out.mp4", "--duration", "0.2", "-m", "starry", "--steady", "off"]
    subprocess.run([program, *words], cwd=work, env=environment, check=True)
    assert (work / "out.mp4").exists() and any(cache.rglob("*"))
    served = subprocess.Popen(
        [program, "serve", "-m", "starry", "--port", "0"], cwd=work, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        while (line := served.stderr.readline()) and not line.startswith("serving: "):
            pass
        port = line.strip().rpartition(":")[2]
        _, _, check = text_of(image, "HEALTHCHECK").partition("CMD ")
        python, script = json.loads(check)
        words = [shutil.which(python, path=environment["PATH"]), script]
        checked = environment | {"ROTOSCOPE_HEALTH_PORT": port}
        assert subprocess.run(words, env=checked, check=False).returncode == 0
        getattr(served, {"SIGTERM": "terminate"}[text_of(image, "STOPSIGNAL")])()
        assert served.wait(300) == 0
        assert subprocess.run(words, env=checked, capture_output=True, check=False).returncode == 1
    finally:
        served.kill()
        served.wait()
        served.stderr.close()
