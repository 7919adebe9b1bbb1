"""What WeChat Pay answered about a refund, call by call."""

from datetime import UTC, datetime

from sqlmodel import col, select

from db.engine import Database
from db.tables import RefundAttempt


def note(database: Database, out_refund_no: str, call: str, outcome: str, message: str) -> None:
    """Keep one answer; a question that is answered as before is not written down again."""
    with database.write() as session:
        last = session.exec(
            select(RefundAttempt)
            .where(col(RefundAttempt.out_refund_no) == out_refund_no)
            .order_by(col(RefundAttempt.id).desc())
            .limit(1)
        ).one_or_none()
        if last is not None and (last.call, last.outcome) == (call, outcome) == (
            "refundquery",
            outcome,
        ):
            return
        session.add(
            RefundAttempt(
                out_refund_no=out_refund_no,
                call=call,
                outcome=outcome,
                message=message[:500],
                at=datetime.now(UTC),
            )
        )
