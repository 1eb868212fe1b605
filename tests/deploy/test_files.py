"""What `deploy/` ships fits together and fits the code: settings, secrets, ports, names, commands, probes, limits."""

import base64
import fnmatch
import re
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from idp.capacity import find_demand
from idp.settings import Settings
from tests.conftest import example_settings
from tests.deploy.shipped import DEPLOY, ROOT, documents, fault_of, is_setting, unknown_keys
from tools import sizing

COMPOSE = documents(DEPLOY / "compose.yaml")[0]
OURS = ("migrate", "web-1", "web-2", "worker-1", "worker-2")
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
BASE = DEPLOY / "kubernetes" / "base"
OVERLAYS = sorted((DEPLOY / "kubernetes" / "overlays").iterdir())
FILES = [path for path in DEPLOY.rglob("*") if path.is_file()]


# -- everywhere ----------------------------------------------------------------------------------------------------


def test_every_variable_that_is_named_is_a_setting() -> None:
    named = {
        (path.name, one) for path in FILES for one in re.findall(r"\bIDP_[A-Z0-9_]*[A-Z0-9]\b", path.read_text("utf-8"))
    }

    assert len(named) > 20
    assert sorted(one for one in named if not is_setting(one[1])) == []


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("sesame.toml")), ids=lambda path: path.parent.name)
def test_a_configuration_file_holds_settings_and_no_secret(path: Path) -> None:
    tree = tomllib.loads(path.read_text(encoding="utf-8"))

    assert list(unknown_keys(tree)) == []
    assert not tree.keys() & {"secrets", "database_url", "redis_url", "smtp_url"}
    assert tree["trusted_hops"] == 1
    assert tree["outbox"]["embedded_worker"] is False
    assert tree["metrics_port"] == 9100


def test_the_checks_themselves_find_what_is_no_setting() -> None:
    assert not is_setting("IDP_SECRETS__PEPER_FILE")
    assert is_setting("IDP_SECRETS__FIELD_KEYS__FIRST_FILE")
    assert list(unknown_keys({"isuer": "", "smtp": {"sender": ""}})) == ["isuer", "smtp.sender"]


def test_the_secrets_that_are_made_are_the_ones_that_are_mounted(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    first = subprocess.run(
        [DEPLOY / "make-secrets", folder, "db.internal", "redis.internal"], check=True, capture_output=True
    )
    before = {path.name: path.read_text() for path in folder.iterdir()}
    again = subprocess.run([DEPLOY / "make-secrets", folder], check=True, capture_output=True)

    assert (bool(first.stdout), again.stdout) == (True, b""), "a second run changes nothing"
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    assert set(before) == {Path(one["file"]).name for one in COMPOSE["secrets"].values()}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert before["database_url"] == f"postgresql+psycopg://sesame:{before['app_password']}@db.internal/sesame"
    drawn = [before[name] for name in ("pepper", "index", "subject", "code", "token", "field_key")]
    assert len(set(drawn)) == 6
    assert all(re.fullmatch(r"[\w-]{43}", one) for one in drawn)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl writes them")
def test_pods_get_nine_secrets_and_only_the_upgrade_the_owners(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    subprocess.run([DEPLOY / "make-secrets", folder], check=True, capture_output=True)
    told = subprocess.run([DEPLOY / "kubernetes" / "secrets", folder, "sesame"], check=True, capture_output=True)

    made = {one["metadata"]["name"]: one["data"] for one in yaml.safe_load_all(told.stdout)}
    assert made.keys() == {"sesame", "sesame-owner"}
    for pod in pods_of(built(OVERLAYS[0])).values():
        (box,) = pod["spec"]["containers"]
        read = {Path(one["value"]).name for one in box["env"] if one["value"].startswith("/run/secrets")}
        assert all(read == data.keys() for data in made.values())
    owners = (folder / "owner_database_url").read_bytes()
    assert [base64.b64decode(data["database_url"]) == owners for data in made.values()] == [False, True]


# -- the image -----------------------------------------------------------------------------------------------------


def test_the_image_gets_everything_of_the_package_and_nothing_else() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    text = (DEPLOY / "container" / "Containerfile").read_text()
    copied = {
        name.strip("./") for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M) for name in line.split()
    }

    assert ignored[0] == "*"
    assert copied == allowed
    assert not any(fnmatch.fnmatch(name, "*secret*") or name in {"config", "var", ".git"} for name in allowed)


def test_the_image_is_pinned_unprivileged_and_starts_what_exists() -> None:
    text = (DEPLOY / "container" / "Containerfile").read_text()

    assert re.search(r"^ARG PYTHON=\S+:\d+\.\d+\.\d+-slim-\w+$", text, re.M)
    assert len(re.findall(r"^FROM \$\{PYTHON\} AS \w+$", text, re.M)) == 2
    assert "--constraint constraints.txt" in text
    user, command = re.search(r"^USER (\d+):\d+$", text, re.M), re.search(r"^CMD \[(.*)\]$", text, re.M)
    assert user is not None
    assert int(user[1]) > 1000
    assert command is not None
    assert fault_of([word.strip(' "') for word in command[1].split(",")]) is None
    assert "/healthz/live" in text
    assert "/healthz/ready" not in text, "a store that is down must not restart the node (RC-43)"


# -- compose -------------------------------------------------------------------------------------------------------


def test_compose_references_what_it_defines() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        assert set(service.get("secrets", ())) <= COMPOSE["secrets"].keys(), name
        assert set(service["networks"]) <= COMPOSE["networks"].keys(), name
        assert service.get("depends_on", {}).keys() <= services.keys(), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            made_later = source == "./tls"
            assert made_later or source in COMPOSE["volumes"] or (DEPLOY / source).exists(), f"{name}: {source}"
        for read in re.findall(r"/run/secrets/(\w+)", str(service)):
            assert read in service["secrets"], f"{name} reads {read}, which it does not have"


def test_compose_runs_everything_unprivileged_and_two_of_what_must_not_stop() -> None:
    services = COMPOSE["services"]
    for name in OURS:
        service = services[name]
        assert service["user"] == "10001:10001", name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert fault_of(service.get("command", ["serve"])) is None, name
    for name, service in services.items():
        assert re.fullmatch(r"(\$\{SESAME_IMAGE:-)?\S+:\d+\.\d+(\.\d+)?\S*", service["image"]), f"{name} is not pinned"
        assert ("ports" in service) == (name == "proxy"), f"{name}: only the proxy has a door to the outside"
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert not set(services["proxy"]["networks"]) & set(services["postgresql"]["networks"])


def test_compose_has_tables_shaped_by_their_owner_alone() -> None:
    services = COMPOSE["services"]

    assert services["migrate"]["environment"]["IDP_DATABASE_URL_FILE"] == "/run/secrets/owner_database_url"
    assert "database_url" not in services["migrate"]["secrets"]
    for name in OURS[1:]:
        assert "owner_database_url" not in services[name]["secrets"], name
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_compose_has_redis_forget_nothing() -> None:
    command = " ".join(COMPOSE["services"]["redis"]["command"])

    for option in ("--maxmemory-policy noeviction", "--appendonly yes", "--requirepass"):
        assert option in command


def configured(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "sesame.toml").read_text(encoding="utf-8"))


def test_the_pools_of_compose_fit_into_postgresql() -> None:
    fleet = configured(DEPLOY)["fleet"]
    wanted = find_demand(Settings.model_validate(example_settings(**configured(DEPLOY), redis_url="redis://redis")))
    command = COMPOSE["services"]["postgresql"]["command"]
    allowed = next(int(option.split("=")[1]) for option in command if "max_connections" in option)

    assert fleet["web_nodes"] == sum(name.startswith("web-") for name in COMPOSE["services"])
    assert fleet["worker_processes"] == sum(name.startswith("worker-") for name in COMPOSE["services"])
    assert f'"--workers", "{fleet["web_processes"]}"' in (DEPLOY / "container" / "Containerfile").read_text()
    # PostgreSQL keeps three for superusers.
    assert wanted.database <= allowed - 3


# -- systemd -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_what_exists_with_the_credentials_that_it_names(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    program, *words = re.findall(r"^ExecStart=(.+)$", text, re.M)[0].split()

    if program.endswith("/idp"):
        assert fault_of(words) is None
        loaded = set(re.findall(r"^LoadCredential=(\w+):/etc/sesame/secrets/\w+$", text, re.M))
        assert set(re.findall(r"^Environment=IDP_\w+=%d/(\w+)$", text, re.M)) == loaded
        assert len(loaded) == 9
    else:
        assert (DEPLOY / Path(program).name).stat().st_mode & 0o111, f"{program} is not shipped, or cannot be run"
    for page in re.findall(r"file:/opt/sesame/(\S+)", text):
        assert (ROOT / page).exists(), page


def test_only_the_upgrade_has_the_owners_database() -> None:
    owners = {unit.name for unit in UNITS if "owner_database_url" in unit.read_text(encoding="utf-8")}

    assert owners == {"sesame-upgrade.service"}


def test_timers_have_their_services() -> None:
    timers = sorted((DEPLOY / "systemd").glob("*.timer"))

    assert timers
    assert all(timer.with_suffix(".service") in UNITS for timer in timers)


# What systemd-analyze counts for; spelled out, for machines that do not have it.
HARDENING = [
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectProc=invisible",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectControlGroups=yes",
    "RestrictNamespaces=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "UMask=0077",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_may_do_no_more_than_it_must(unit: Path) -> None:
    lines = unit.read_text(encoding="utf-8").splitlines()

    assert [line for line in HARDENING if line not in lines] == []
    assert any(line.startswith("User=") and line != "User=root" for line in lines)
    if shutil.which("systemd-analyze"):
        told = subprocess.run(
            ["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=20", unit],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert told.returncode == 0, told.stdout + told.stderr


# -- kubernetes ----------------------------------------------------------------------------------------------------


@cache
def built(overlay: Path) -> list[dict[str, Any]]:
    """Return what an overlay comes to; where kubectl is absent, the files it is made of, without its patches."""
    if shutil.which("kubectl"):
        told = subprocess.run(["kubectl", "kustomize", overlay], capture_output=True, text=True, check=True)
        return [one for one in yaml.safe_load_all(told.stdout) if one]
    files = [*BASE.glob("*.yaml"), *overlay.glob("*.yaml")]
    found = [one for path in files if path.name != "kustomization.yaml" for one in documents(path)]
    (labels,) = documents(BASE / "kustomization.yaml")[0]["labels"]
    for pod in pods_of(found).values():
        pod["metadata"]["labels"] |= labels["pairs"] if labels["includeTemplates"] else {}
    return found


def of_kind(all_of_it: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    return [one for one in all_of_it if one["kind"] in kinds]


def pods_of(all_of_it: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one["spec"]["template"] for one in of_kind(all_of_it, "Deployment", "Job")}


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.name)
def test_an_overlay_is_whole(overlay: Path) -> None:
    all_of_it = built(overlay)
    pods = pods_of(all_of_it)
    names = {(one["kind"], one["metadata"]["name"]) for one in all_of_it}

    assert set(pods) == {"sesame-web", "sesame-worker", "sesame-upgrade"}
    for kustomization in (BASE, overlay):
        for resource in documents(kustomization / "kustomization.yaml")[0]["resources"]:
            assert (kustomization / resource).exists(), resource
    for service in of_kind(all_of_it, "Service"):
        chosen = [
            pod for pod in pods.values() if service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        ]
        ports = {port["name"] for pod in chosen for box in pod["spec"]["containers"] for port in box["ports"]}
        assert chosen, "a service without pods"
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for ingress in of_kind(all_of_it, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                assert ("Service", path["backend"]["service"]["name"]) in names
    for scaler in of_kind(all_of_it, "HorizontalPodAutoscaler"):
        assert (scaler["spec"]["scaleTargetRef"]["kind"], scaler["spec"]["scaleTargetRef"]["name"]) in names
        assert scaler["spec"]["minReplicas"] < scaler["spec"]["maxReplicas"]
    for budget in of_kind(all_of_it, "PodDisruptionBudget"):
        wanted = budget["spec"]["selector"]["matchLabels"].items()
        assert any(wanted <= pod["metadata"]["labels"].items() for pod in pods.values()), budget["metadata"]["name"]


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.name)
def test_an_overlay_answers_under_the_name_that_it_is_configured_for(overlay: Path) -> None:
    issuer = tomllib.loads((overlay / "sesame.toml").read_text(encoding="utf-8"))["issuer"]
    ingress = documents(overlay / "ingress.yaml")[0]["spec"]

    assert [f"https://{rule['host']}" for rule in ingress["rules"]] == [issuer]
    assert [f"https://{host}" for one in ingress["tls"] for host in one["hosts"]] == [issuer]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="patches are what is looked at: kubectl applies them")
@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.name)
def test_an_overlay_says_how_many_it_may_become(overlay: Path) -> None:
    all_of_it, fleet = built(overlay), configured(overlay)["fleet"]
    pods = {one["metadata"]["name"]: one["spec"] for one in of_kind(all_of_it, "Deployment")}
    scaled = [one["spec"]["maxReplicas"] for one in of_kind(all_of_it, "HorizontalPodAutoscaler")]
    arguments = pods["sesame-web"]["template"]["spec"]["containers"][0]["args"]

    assert fleet["web_nodes"] == (scaled or [pods["sesame-web"].get("replicas")])[0]
    assert fleet["web_processes"] == int(arguments[arguments.index("--workers") + 1])
    assert fleet["worker_processes"] == pods["sesame-worker"]["replicas"]


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.name)
def test_pods_may_do_no_more_than_they_must(overlay: Path) -> None:
    for name, pod in pods_of(built(overlay)).items():
        spec = pod["spec"]
        (box,) = spec["containers"]
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["automountServiceAccountToken"] is False, name
        assert box["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }, name  # fmt: skip
        assert "memory" in box["resources"]["limits"], name
        assert fault_of(box["args"]) is None, name
        volumes = {volume["name"] for volume in spec["volumes"]}
        assert {mount["name"] for mount in box["volumeMounts"]} == volumes, name
        assert not [one for one in box["env"] if "valueFrom" in one], "a secret in a variable is in every crash report"
        secret = next(volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume)
        assert secret == ("sesame-owner" if name == "sesame-upgrade" else "sesame")


def test_probes_ask_the_health_endpoints_for_what_each_is_for_rc_43() -> None:
    (box,) = pods_of(built(OVERLAYS[0]))["sesame-web"]["spec"]["containers"]
    asked = {name: box[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    grace = pods_of(built(OVERLAYS[0]))["sesame-web"]["spec"]["terminationGracePeriodSeconds"]

    assert asked == {
        "startupProbe": "/healthz/live", "livenessProbe": "/healthz/live", "readinessProbe": "/healthz/ready",
    }  # fmt: skip
    waits = int(box["args"][box["args"].index("--drain") + 1])
    probe = box["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < waits, "it goes on until nobody is sent any more"
    # Granian gives its processes 30 s.
    assert waits + 30 < grace


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.name)
def test_every_pod_is_closed_and_then_opened_by_name(overlay: Path) -> None:
    all_of_it = built(overlay)
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(all_of_it, "NetworkPolicy")}
    pods = pods_of(all_of_it)

    assert policies.pop("nothing") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, policy in policies.items():
        chosen = [pod for pod in pods.values() if _chooses(policy["podSelector"], pod["metadata"]["labels"])]
        assert chosen, f"{name} opens no pod"
        ports = {port["name"] for pod in chosen for box in pod["spec"]["containers"] for port in box.get("ports", ())}
        for way in policy.get("ingress", ()):
            assert {port["port"] for port in way["ports"]} <= ports, name
    to_stores = policies["to-the-stores"]["podSelector"]
    assert all(_chooses(to_stores, pod["metadata"]["labels"]) for pod in pods.values()), "all need the stores"


def _chooses(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    by_name = selector.get("matchLabels", {}).items() <= labels.items()
    return by_name and all(labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", ()))


# -- how large -----------------------------------------------------------------------------------------------------


def test_the_sizing_guide_is_what_the_measurements_come_to() -> None:
    page = sizing.PAGE.read_text(encoding="utf-8")

    assert page == sizing.render(page), "docs/howto/size.md is stale: run `make reference`"


def test_twice_the_peak_takes_twice_of_what_grows_with_it() -> None:
    costs = sizing.measured()
    one, two = (int(sizing.size(peak, costs)["processors of web nodes"]) for peak in (1000, 2000))

    assert 2 * one - 1 <= two <= 2 * one
    # By hand: 23.788 ms of Argon2id for six of ten, at 60 %.
    assert sizing.size(1000, {**costs, "argon2": 0.023788})["… of these for Argon2id"] == "24"


# -- the proxy -----------------------------------------------------------------------------------------------------


def test_the_proxy_and_the_settings_count_the_same_hops() -> None:
    conf = (DEPLOY / "nginx" / "sesame.conf").read_text(encoding="utf-8")

    assert "proxy_set_header X-Forwarded-For   $remote_addr;" in conf
    assert "$proxy_add_x_forwarded_for" not in conf, "what a visitor wrote would be believed"
    assert "underscores_in_headers off;" in conf
    assert set(re.findall(r"server (web-\d):8000", conf)) == {"web-1", "web-2"} <= COMPOSE["services"].keys()
    for path in re.findall(r"(/etc/nginx/\w+)", conf):
        mounted = {volume.split(":")[1] for volume in COMPOSE["services"]["proxy"]["volumes"]}
        assert path in mounted | {"/etc/nginx/conf"}, path
