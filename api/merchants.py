"""Merchants and what they set."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field
from sqlmodel import Session

from api.auth import Principal, allowed
from api.context import Here
from api.fields import Body, Number, Text
from db import merchants, views
from db.views import View
from domain import policy

router = APIRouter(prefix="/v1/merchants", tags=["merchants"])


class AddressBody(Body):
    """Where returned goods go."""

    name: Annotated[Text, Field(max_length=64)]
    phone: Annotated[Text, Field(max_length=32)]
    address: Annotated[Text, Field(max_length=300)]


class MerchantBody(Body):
    """A merchant; `policies` replaces all it had set, and holds for orders placed from now on."""

    name: Annotated[Text, Field(min_length=1, max_length=200)]
    sub_mch_id: Annotated[str, Field(pattern=r"^[0-9]{0,32}$")] = ""
    return_address: AddressBody | None = None
    policies: Mapping[str, str | int | float | bool] = Field(default_factory=dict)

    def checked_policies(self) -> dict[str, str]:
        """The policies as text; raises Refused naming a wrong one."""
        return {
            name: policy.as_text(policy.read(name, value)) for name, value in self.policies.items()
        }


@router.put("/{merchant_id}")
async def put_merchant(
    merchant_id: Number,
    body: MerchantBody,
    context: Here,
    principal: Annotated[Principal, Depends(allowed("merchants.write"))],
) -> View:
    """Set a merchant's name, address and policies."""
    settings = merchants.Settings(
        body.name,
        body.sub_mch_id,
        body.return_address.model_dump() if body.return_address else {},
        body.checked_policies(),
    )

    def change(session: Session) -> View:
        merchants.put(session, merchant_id, settings, datetime.now(UTC))
        return views.merchant(session, merchant_id)

    return await context.write(change)


@router.get("/{merchant_id}")
async def get_merchant(
    merchant_id: Number, context: Here, principal: Annotated[Principal, Depends(allowed("read"))]
) -> View:
    """One merchant's settings."""
    principal.check_sees({"merchant_id": merchant_id})
    return await context.read(lambda session: views.merchant(session, merchant_id))
