"""The pages say what the code does: drawings, settings, commands, routes, refusals."""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import pytest

from api.app import create_app
from domain import after_sale, order, policy, refund
from domain.refusals import Code
from settings import SECRETS, Settings
from simulator import defaults
from tools.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[1]
EDGE = re.compile(r"(\w+) --> (\w+): (\w+)")


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def settings() -> Settings:
    return Settings(
        _env_file=None,
        WECHAT_APPID=defaults.APPID,
        WECHAT_MCH_ID=defaults.MCH_ID,
        WECHAT_API_KEY=defaults.API_KEY,
    )


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("order", order.TRANSITIONS),
        ("after_sale", after_sale.TRANSITIONS),
        ("refund", refund.TRANSITIONS),
    ],
)
def test_each_drawing_is_its_transition_table(
    name: str, table: Mapping[StrEnum, Mapping[StrEnum, StrEnum]]
) -> None:
    drawing = page("docs/flows.md").split(f"<!-- states: {name} -->")[1].split("```")[1]
    coded = {
        (source.value, target.value, event.value)
        for source, moves in table.items()
        for event, target in moves.items()
    }
    assert set(EDGE.findall(drawing)) == coded


@pytest.mark.parametrize("name", ["docs/operating.md", "docs/operating.zh-CN.md"])
def test_every_setting_is_explained(name: str) -> None:
    names = [str(field.validation_alias) for field in Settings.model_fields.values()]
    names += [f"{name}_FILE" for name in SECRETS]
    assert [setting for setting in names if f"`{setting}`" not in page(name)] == []


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_every_command_is_named(name: str) -> None:
    targets = re.findall(r"^(?!help)([a-z-]+):.*## ", page("Makefile"), re.MULTILINE)
    assert [target for target in targets if f"make {target}" not in page(name)] == []


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readme_is_short_and_maps_every_folder(name: str) -> None:
    assert len(page(name).splitlines()) < 150
    folders = [path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()]
    assert [folder for folder in folders if f"`{folder}/`" not in page(name)] == []


@pytest.mark.parametrize("name", ["docs/shop-developer.md", "docs/shop-developer.zh-CN.md"])
def test_every_route_and_refusal_is_explained(name: str) -> None:
    text = page(name)
    routes = create_app(settings()).openapi()["paths"]
    assert sorted(path for path in routes if f"`{path}`" not in text) == []
    assert [code for code in Code if f"`{code}`" not in text] == []


@pytest.mark.parametrize("name", ["docs/shop-developer.md", "docs/shop-developer.zh-CN.md"])
def test_every_policy_and_its_default_is_explained(name: str) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page(name), re.MULTILINE))
    told = {name: policy.read(name, rows[name].strip("` ")) for name in policy.NAMES}
    assert told == {name: getattr(policy.Policies(), name) for name in policy.NAMES}


def test_both_readmes_have_the_same_links() -> None:
    link = re.compile(r"\]\(([^)#]+)")
    english = {target.replace(".zh-CN", "") for target in link.findall(page("README.md"))}
    chinese = {target.replace(".zh-CN", "") for target in link.findall(page("README.zh-CN.md"))}
    assert english == chinese


@pytest.mark.parametrize("name", ["docs/security.md", "docs/security.zh-CN.md"])
def test_every_promise_is_held_by_a_test_that_exists(name: str) -> None:
    held = re.findall(r"`([\w/]+\.py)::(test_\w+)`", page(name))
    assert len(set(held)) > 40
    assert [
        (file, test)
        for file, test in held
        if not re.search(rf"^(async )?def {test}\(", page(f"tests/{file}"), re.MULTILINE)
    ] == []


def test_every_fuzz_target_has_its_figure() -> None:
    figures = re.findall(r"^\| `(\w+)` \| [\d,]+ \|", page("docs/security.md"), re.MULTILINE)
    assert figures == list(TARGETS)


def test_both_security_pages_name_the_same_tests_and_figures() -> None:
    facts = re.compile(r"::test_\w+|^\| `\w+` \| [\d,]+ \|", re.MULTILINE)
    english, chinese = (facts.findall(page(f"docs/security{end}")) for end in (".md", ".zh-CN.md"))
    assert english == chinese


def test_every_link_leads_somewhere() -> None:
    link = re.compile(r"\]\((?!https:)([^)#]+)[^)]*\)")
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    broken = [
        (path.name, target)
        for path in pages
        for target in link.findall(path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]
    assert broken == []
