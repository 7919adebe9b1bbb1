"""`python -m tools.fuzz.one TARGET …`: fuzz one target here, with libFuzzer's options."""

import logging
import sys

import atheris

with atheris.instrument_imports(
    include=["api", "db.lists", "domain", "settings", "wechat", "workflows.sealing", "xmltodict"]
):
    from tools.fuzz.targets import TARGETS


def main(name: str, options: list[str]) -> None:
    """Until the options say stop, or something breaks."""
    logging.disable(logging.CRITICAL)
    atheris.Setup([sys.argv[0], *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
