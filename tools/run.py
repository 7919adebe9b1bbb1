"""`make run`: the whole product in the foreground until Ctrl-C."""

import asyncio
import os
import sys

import httpx
from rich.console import Console

from settings import SANDBOX_LOGINS, SANDBOX_PASSWORD
from tools import provision, shop_day
from tools.demo import progress
from tools.shop_day import WHO
from tools.stack import Stack
from tools.supervisor import StackError, end_like_ctrl_c


def main() -> int:
    """Run until interrupted: 0; 1 when a part fails, 2 for a wrong setting or a taken port."""
    end_like_ctrl_c()
    console = Console(highlight=False)
    try:
        with Stack.for_people(say=console.print) as stack:
            if is_new(stack):
                console.print("The database is empty: playing the sample shop day.")
                asyncio.run(shop_day.play(stack, lambda one: progress(console, one)))
            show_links(console, stack)
            show_story(console, stack)
            stack.wait()
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left running.")
        return 0
    except StackError as error:
        console.print(f"make run: {error}", style="red", markup=False, soft_wrap=True)
        return error.exit_code
    return 0


def is_new(stack: Stack) -> bool:
    """Whether nobody has placed an order yet, in the sandbox whose tokens we know."""
    if WHO["auditor"] not in stack.tokens:
        return False
    headers = {"Authorization": f"Bearer {WHO['auditor']}"}
    reply = httpx.get(f"{stack.base_url}/v1/orders?limit=1", headers=headers, timeout=10)
    return reply.is_success and reply.json()["items"] == []


def show_links(console: Console, stack: Stack) -> None:
    """Say where everything is."""
    console.print()
    console.print(f"Console      {stack.base_url}/console")
    console.print(f"API docs     {stack.base_url}/docs")
    console.print(f"Temporal UI  {stack.ui_url or 'the one of ' + stack.temporal_address}")
    console.print(f"Simulator    {stack.simulator_url}")
    for name, (role, merchant_id) in SANDBOX_LOGINS.items():
        of = f", {merchant_id}" if merchant_id else ""
        console.print(f"Sign-in      {name} / {SANDBOX_PASSWORD}  {role}{of}")
    for token, person in stack.tokens.items():
        console.print(f"Token        {token}  {person['role']}, {person['name']}")


def show_story(console: Console, stack: Stack) -> None:
    """Three lines to go on by hand: place, pay, apply. The reviews are a click or a curl more."""
    console.print("\nGo on by hand: place an order, let the buyer pay, ask for the money back:")
    for line in story(stack):
        console.print(line, markup=False, soft_wrap=True)
    console.print("Then approve in the console, by REST, or with the Temporal CLI:")
    console.print(approval(stack), markup=False, soft_wrap=True)
    console.print("\nCtrl-C ends everything.")


def story(stack: Stack) -> list[str]:
    """Commands that place an order, pay it, and apply for a refund."""
    json = "-H 'Content-Type: application/json'"
    shop = f"-H 'Authorization: Bearer {WHO['shop']}' {json}"
    order = (
        '{"out_trade_no": "mine-0001", "merchant_id": "m1", "openid": "o-me",'
        ' "description": "茶杯", "freight": 0,'
        ' "lines": [{"sku": "cup", "title": "茶杯", "quantity": 1, "unit_price": 1990}]}'
    )
    refund = '{"type": "REFUND_ONLY", "reason_code": "NO_REASON", "reason": "不想要了"}'
    orders = f"{stack.base_url}/v1/orders"
    return [
        f"  curl {orders} {shop} -H 'Idempotency-Key: 1' -d '{order}'",
        f'  curl {stack.simulator_url}/_control/pay {json} -d \'{{"out_trade_no": "mine-0001"}}\'',
        f"  curl {orders}/mine-0001/after-sales {shop} -H 'Idempotency-Key: 2' -d '{refund}'",
    ]


def approval(stack: Stack) -> str:
    """A command that approves at the merchant's desk by a signal."""
    decision = '{"stage": "merchant", "reviewer": "me"}'
    program = provision.paths().temporal or "temporal"
    return (
        f"  {program} workflow signal --address {stack.temporal_address}"
        f" -w after-sale-CASE_NO --name approve --input '{decision}'"
    )


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # The SDK can abort an interpreter that ends after all is done (sdk-python#300).
    os._exit(code)
