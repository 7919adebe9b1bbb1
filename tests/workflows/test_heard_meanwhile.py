"""What a refund hears while it tells its case where it stands."""

from collections.abc import Iterator

import pytest
from temporalio import workflow

from domain.refund import RefundState
from tests.shop import Shop, refunds
from tests.workflows.stuck import approved, settle
from workflows.refund import RefundWorkflow


@pytest.fixture(scope="module")
def policies() -> Iterator[dict[str, str]]:
    """Telling takes until people have settled it; in the replay that ends the module too."""
    tell = RefundWorkflow._tell_case

    async def tell_slowly(self: RefundWorkflow) -> None:
        await tell(self)
        if self._refund.state is RefundState.ABNORMAL:
            await workflow.wait_condition(lambda: self._refund.replaced)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(RefundWorkflow, "_tell_case", tell_slowly)
        yield {"refund_gap": "0s"}


async def test_a_settlement_is_written_and_told_at_once(real_shop: Shop) -> None:
    """Both reach the run in one task when a worker had been away."""
    case_no = await approved(real_shop, "refund_ends_change")
    await real_shop.case_is(case_no, "REFUND_ABNORMAL")
    for who in ("finance", "finance2"):
        settled = await settle(real_shop, who, case_no)
    assert (settled["state"], refunds(settled)) == ("COMPLETED", [(380, "MANUAL_SETTLED")])
