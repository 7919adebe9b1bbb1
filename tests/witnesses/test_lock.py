"""The npm lock pins the witness by version and hash, and names no registry."""

import json

from tests.witnesses.node import HERE


def test_each_package_has_a_hash_and_no_address() -> None:
    lock = json.loads((HERE / "package-lock.json").read_text())
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert packages["node_modules/wechatpay-axios-plugin"]["version"] == "0.9.6"
    assert [name for name, one in packages.items() if "integrity" not in one] == []
    assert [name for name, one in packages.items() if "resolved" in one] == []
