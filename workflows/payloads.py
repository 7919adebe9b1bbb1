"""How values become what Temporal keeps, and come back: JSON as pydantic writes it."""

from typing import Final

from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
)

_JSON: Final = PydanticJSONPlainPayloadConverter()


class Payloads(CompositePayloadConverter):
    """The SDK's pydantic converter, with one memory of how to read each type.

    The SDK makes a converter for every run; each would learn every type anew, which takes
    milliseconds.
    """

    def __init__(self) -> None:
        """The SDK's own converters, but for plain JSON."""
        own = DefaultPayloadConverter.default_encoding_payload_converters
        super().__init__(
            *(_JSON if isinstance(one, JSONPlainPayloadConverter) else one for one in own)
        )
