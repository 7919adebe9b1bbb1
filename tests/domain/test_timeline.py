"""Who did it, as a timeline shows it."""

import pytest

from domain.timeline import CLOCK, SYSTEM, WECHAT, Actor


@pytest.mark.parametrize(
    ("actor", "text"),
    [
        (Actor("Mei", "merchant"), "merchant:Mei"),
        (CLOCK, "system:clock"),
        (SYSTEM, "system:order-flow"),
        (WECHAT, "channel:wechat-pay"),
    ],
)
def test_role_and_name(actor: Actor, text: str) -> None:
    assert str(actor) == text
