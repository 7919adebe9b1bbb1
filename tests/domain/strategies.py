"""Random orders for properties."""

from hypothesis import strategies as st

from domain.terms import Gift, Line, Terms, checked


@st.composite
def orders(draw: st.DrawFn, lines_max: int = 5) -> Terms:
    """Orders that may be placed: cheap and dear lines, any discounts, up to two gifts."""
    lines = [
        Line(f"sku-{index}", "茶杯", draw(st.integers(1, 4)), draw(st.integers(0, 30_000)))
        for index in range(draw(st.integers(1, lines_max)))
    ]
    gross = sum(line.gross for line in lines)
    discount = draw(st.integers(0, gross))
    coupon = draw(st.integers(0, gross - discount))
    is_free = gross == discount + coupon
    condition = st.none() | st.integers(0, gross - discount - coupon)
    gifts = [
        Gift(f"gift-{index}", "兑换券", draw(st.integers(1, 3_000)), draw(condition))
        for index in range(draw(st.integers(0, 2)))
    ]
    terms = Terms(
        out_trade_no="order-1",
        merchant_id="m1",
        openid="o-buyer",
        description="茶具",
        lines=tuple(lines),
        freight=draw(st.integers(1 if is_free else 0, 2_000)),
        merchant_discount=discount,
        platform_coupon=coupon,
        gifts=tuple(gifts),
    )
    return checked(terms)
