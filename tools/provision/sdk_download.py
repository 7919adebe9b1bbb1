"""`python -m tools.provision.sdk_download PROGRAM FOLDER`, in the virtual environment."""

import asyncio
import os
import sys

from temporalio.testing import WorkflowEnvironment


async def download(program: str, folder: str) -> None:
    """Download into the folder by starting once: what starts is whole."""
    if program == "temporal":
        environment = await WorkflowEnvironment.start_local(download_dest_dir=folder)
    else:
        environment = await WorkflowEnvironment.start_time_skipping(download_dest_dir=folder)
    await environment.shutdown()


def main() -> int:
    """0, or 1 with the reason as the last line."""
    try:
        asyncio.run(download(*sys.argv[1:]))
    except RuntimeError as error:
        print(error, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    # The SDK can abort a finished interpreter: sdk-python#300.
    os._exit(main())
