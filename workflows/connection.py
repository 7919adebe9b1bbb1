"""How to reach Temporal: its own TEMPORAL_* settings, and data as the workflows write it."""

import os
from collections.abc import Sequence

from temporalio.client import Client, Plugin
from temporalio.envconfig import ClientConfig
from temporalio.runtime import Runtime

from workflows.sealing import data_converter


async def connect(
    default_address: str,
    *,
    lazy: bool = False,
    runtime: Runtime | None = None,
    plugins: Sequence[Plugin] = (),
    keys: Sequence[bytes] = (),
) -> Client:
    """A client for TEMPORAL_ADDRESS and the like; a lazy one connects at its first call.

    With `keys` it seals what Temporal keeps with the first, and opens what any of them sealed.
    """
    config = ClientConfig.load_client_connect_config()
    if "TEMPORAL_ADDRESS" not in os.environ and "target_host" not in config:
        config["target_host"] = default_address
    return await Client.connect(
        **config,
        data_converter=data_converter(keys),
        lazy=lazy,
        runtime=runtime,
        plugins=plugins,
    )
