"""Compose file, image and settings in step; no engine is needed to see that."""

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

import simulator.settings
from settings import SECRETS, Settings
from tests.deploy.compose import OURS, ROOT, VARIABLE, compose, environment, loaded, services

pytestmark = pytest.mark.slow

PRODUCTION = {
    "PUBLIC_URL": "https://shop.example",
    "WECHAT_APPID": "wx2421b1c4370ec43b",
    "WECHAT_MCH_ID": "1410138302",
}
TEMPORALS_OWN = {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}
UVICORNS_OWN = {"FORWARDED_ALLOW_IPS"}


def aliases(model: type[Settings] | type[simulator.settings.Settings]) -> set[str]:
    return {str(field.validation_alias) for field in model.model_fields.values()}


def secrets_of(name: str) -> set[str]:
    return set(services()[name].get("secrets", []))


def caddyfile() -> str:
    return (ROOT / "deploy/Caddyfile").read_text()


@pytest.mark.parametrize("name", sorted(services()))
def test_every_image_is_pinned(name: str) -> None:
    service = services()[name]
    if "build" in service:
        assert service["image"] == "wechat-order-flow:${VERSION:-local}"
    else:
        assert re.search(r":v?\d+\.\d+(\.\d+)?(-\w+)?$", service["image"])


@pytest.mark.parametrize("name", sorted(services()))
def test_what_a_service_waits_for_can_be_waited_for(name: str) -> None:
    for other, wait in services()[name].get("depends_on", {}).items():
        service = services()[other]
        if wait["condition"] == "service_healthy":
            assert "test" in service["healthcheck"]
        else:
            assert wait["condition"] == "service_completed_successfully"
            assert service.get("restart", "no") == "no"


@pytest.mark.parametrize("name", ["api", "console", "worker", "simulator", "postgres", "temporal"])
def test_what_others_need_tells_its_health(name: str) -> None:
    assert "test" in services()[name]["healthcheck"]


@pytest.mark.parametrize("name", sorted(services()))
def test_every_service_has_its_limits(name: str) -> None:
    assert {"cpus", "memory"} <= set(services()[name]["deploy"]["resources"]["limits"])


@pytest.mark.parametrize("name", OURS)
def test_ours_run_with_no_more_than_they_need(name: str) -> None:
    service = services()[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in service


def test_there_are_two_apis_and_two_workers() -> None:
    counts = {name: services()[name]["deploy"]["replicas"] for name in ("api", "worker")}
    assert counts == {"api": 2, "worker": 2}


def test_only_the_proxy_is_open_to_the_world() -> None:
    ports = {name: service.get("ports", []) for name, service in services().items()}
    assert ports.pop("proxy") == ["80:80", "443:443"]
    assert all(port.startswith("127.0.0.1:") for found in ports.values() for port in found)


def test_the_sandbox_is_a_profile_of_its_own() -> None:
    assert [name for name, one in services().items() if "profiles" in one] == ["simulator"]
    assert environment("api", PRODUCTION)["SANDBOX"] == "false"


@pytest.mark.parametrize("name", OURS)
def test_every_setting_is_known(name: str) -> None:
    known = aliases(Settings) | {f"{one}_FILE" for one in SECRETS} | TEMPORALS_OWN | UVICORNS_OWN
    if name == "simulator":
        known = aliases(simulator.settings.Settings)
    assert set(environment(name, PRODUCTION)) - known == set()


@pytest.mark.parametrize("name", ["api", "console", "worker"])
def test_every_setting_without_a_default_is_there(name: str) -> None:
    needed = {str(f.validation_alias) for f in Settings.model_fields.values() if f.is_required()}
    there = {setting.removesuffix("_FILE") for setting in environment(name, PRODUCTION)}
    assert needed - there == set()


def test_api_and_worker_are_told_the_same() -> None:
    own = ("CONSOLE", "METRICS_HOST", "METRICS_PORT", "FORWARDED_ALLOW_IPS")
    told = [environment(name, PRODUCTION) for name in ("api", "console", "worker")]
    shared = [{n: value for n, value in one.items() if n not in own} for one in told]
    assert shared[0] == shared[1] == shared[2]


def test_the_console_is_in_one_process_and_the_proxy_knows_which() -> None:
    consoles = [name for name in OURS if environment(name, PRODUCTION).get("CONSOLE") == "true"]
    assert consoles == ["console"]
    assert services()["console"]["deploy"].get("replicas", 1) == 1
    assert environment("api", PRODUCTION)["CONSOLE"] == "false"
    assert "handle /console* {\n\t\treverse_proxy console:8000" in caddyfile()


def test_no_secret_stands_in_plain_text() -> None:
    for name, service in services().items():
        for setting, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|PWD|SECRET|TOKEN|API_KEY|_KEY_FILE", setting):
                assert setting.endswith("_FILE"), (name, setting)
                assert "/run/secrets/" in str(value), (name, setting)
            assert not re.search(r"://[^/@]+:[^/@]+@", str(value)), (name, setting)


def test_every_secret_is_a_file_that_its_readers_have() -> None:
    defined = compose()["secrets"]
    assert {secret["file"] for secret in defined.values()} == {f"./secrets/{n}" for n in defined}
    for name, service in services().items():
        read = set(re.findall(r"/run/secrets/(\w+)", str(service)))
        assert read <= secrets_of(name) <= set(defined), name
    assert "secrets/" in (ROOT / ".gitignore").read_text().split()


def test_every_volume_is_named_and_every_mounted_file_is_there() -> None:
    mounted = [one for service in services().values() for one in service.get("volumes", [])]
    named = {one.split(":")[0] for one in mounted if not one.startswith(".")}
    assert named == set(compose()["volumes"])
    ours = [one.split(":")[0] for one in mounted if one.startswith(".")]
    assert [path for path in ours if not (ROOT / path).exists()] == []


def test_prometheus_finds_every_api_and_worker() -> None:
    jobs = {
        job["job_name"]: job for job in loaded("deploy/prometheus/prometheus.yml")["scrape_configs"]
    }
    found = {
        name: job["dns_sd_configs"][0] for name, job in jobs.items() if "dns_sd_configs" in job
    }
    assert {name: one["names"] for name, one in found.items()} == {
        "api": ["api", "console"],
        "worker": ["worker"],
    }
    assert str(found["worker"]["port"]) == environment("worker", PRODUCTION)["METRICS_PORT"]
    assert f"api {found['api']['port']}" in caddyfile()
    listens = services()["temporal"]["environment"]["PROMETHEUS_ENDPOINT"]
    (target,) = jobs["temporal"]["static_configs"][0]["targets"]
    assert target.split(":")[1] == listens.split(":")[1]


def test_strangers_get_no_metrics() -> None:
    assert "@inside path /metrics /readyz\n\thandle @inside {\n\t\trespond 404" in caddyfile()


def test_the_pages_name_every_variable() -> None:
    variables = {name for name, _, _ in VARIABLE.findall((ROOT / "docker-compose.yml").read_text())}
    for page in ("docs/operating.md", "docs/operating.zh-CN.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert sorted(name for name in variables if f"`{name}`" not in text) == []


# ---- the image


def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


def included(path: Path) -> bool:
    """Whether .dockerignore lets this file into the image."""
    allowed = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line.startswith("#") or not line:
            continue
        parents = [str(path), *map(str, path.parents)]
        if any(
            fnmatch(one, pattern.removeprefix("**/")) or fnmatch(one, pattern) for one in parents
        ):
            allowed = line.startswith("!")
    return allowed


def test_the_image_is_built_in_stages_checked_by_hash_and_runs_as_nobody_special() -> None:
    text = dockerfile()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-\w+", base) for base in bases)
    assert "--require-hashes" in text
    assert "--no-cache-dir" in text
    assert "COPY requirements/runtime.txt" in text
    last = text.split("FROM ")[-1]
    assert re.search(r"^USER \d{4,}$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last


def test_the_image_listens_where_it_is_asked() -> None:
    exposed = re.findall(r"^EXPOSE (.+)$", dockerfile(), re.MULTILINE)[0].split()
    simulators = environment("simulator", {})["SIMULATOR_PORT"]
    metrics = environment("worker", PRODUCTION)["METRICS_PORT"]
    assert exposed == ["8000", simulators, metrics]
    assert '"--port", "8000"' in dockerfile()


def test_what_is_in_the_image_is_enough_to_run_every_process(tmp_path: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    inside = [Path(name) for name in tracked if included(Path(name)) and (ROOT / name).is_file()]
    assert not any(path.parts[0] in ("tests", "tools", "docs", "deploy") for path in inside)
    for path in inside:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    ended = subprocess.run(
        [sys.executable, "-c", "import worker, api.app, db.__main__, simulator.__main__"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert ended.stderr == ""


# ---- what a person does before `docker compose up`


def made_secrets(folder: Path, *arguments: str) -> str:
    """Run deploy/secrets.sh there; what it said."""
    ended = subprocess.run(
        ["sh", str(ROOT / "deploy/secrets.sh"), *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return ended.stdout


def test_the_sandbox_starts_from_two_commands(tmp_path: Path) -> None:
    assert made_secrets(tmp_path, "sandbox") == ""
    assert {file.name for file in (tmp_path / "secrets").iterdir()} == set(compose()["secrets"])
    lines = (ROOT / "deploy/sandbox.env").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    told = environment("api", given)
    inside = {
        name: value.replace("/run/secrets", str(tmp_path / "secrets"))
        for name, value in told.items()
    }
    code = (
        "import settings; loaded = settings.load();"
        "print(loaded.sandbox, len(loaded.api_tokens), loaded.wechat_base_url,"
        " loaded.database_url.startswith('postgresql+psycopg://shop:'))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        env=inside | {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
    )
    assert (ended.stdout, ended.stderr) == ("True 7 http://simulator:8001 True\n", "")


def test_for_production_it_says_what_is_missing_and_keeps_what_is_there(tmp_path: Path) -> None:
    said = made_secrets(tmp_path)
    wanted = ("api_tokens", "wechat_api_key", "wechat_cert", "wechat_key")
    assert said.splitlines() == [f"still missing: secrets/{name}" for name in wanted]
    passwords = (tmp_path / "secrets/shop_password").read_text()
    assert len(passwords) > 30
    made_secrets(tmp_path)
    assert (tmp_path / "secrets/shop_password").read_text() == passwords
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("script", sorted(ROOT.glob("deploy/**/*.sh")), ids=lambda path: path.name)
def test_every_script_can_be_read(script: Path) -> None:
    subprocess.run(["sh", "-n", str(script)], check=True)
