"""The claims' room: in whose hands a mail is, decided by the database in one conditional statement each."""

from typing import Any

from sqlalchemy import bindparam, delete, update
from sqlalchemy.orm import Session

from common.clock import now
from common.database import affected
from notifier.models import LEASE, MAILS, Notification, State

FATE = ("state", "error", "due_at", "sent_at")

_this = update(MAILS).where(MAILS.c.id == bindparam("mail_id"))
_as_read = _this.where(MAILS.c.attempts == bindparam("so_far"))
_free = (MAILS.c.state == State.QUEUED) | ((MAILS.c.state == State.SENDING) & (MAILS.c.due_at <= bindparam("moment")))
_claim = _as_read.where(_free).values(state=State.SENDING, attempts=MAILS.c.attempts + 1, due_at=bindparam("until"))
_fates: dict[str, Any] = {name: bindparam(f"new_{name}") for name in FATE}
_close = _this.values(_fates)
_close_if_ours = _as_read.values(_fates)
_forget = delete(MAILS).where(MAILS.c.id == bindparam("mail_id"))


def claim(session: Session, mail: Notification) -> bool:
    """Take the mail for sending; False when it is done, in another worker's hands, or was since it was read."""
    moment = now()
    told = {"mail_id": mail.id, "so_far": mail.attempts, "moment": moment, "until": moment + LEASE}
    return affected(session.execute(_claim, told)) == 1


def note_sent(session: Session, mail: Notification) -> None:
    """The mail server has taken it, whoever else may have it in hand by now."""
    session.execute(_close, _fate(mail))


def give_back(session: Session, mail: Notification) -> None:
    """It was not sent; of a worker that was too slow nobody wants to know, for another one has the mail."""
    session.execute(_close_if_ours, _fate(mail) | {"so_far": mail.attempts})


def forget(session: Session, mail: Notification) -> None:
    """Nothing of the mail remains."""
    session.execute(_forget, {"mail_id": mail.id})


def _fate(mail: Notification) -> dict[str, Any]:
    return {"mail_id": mail.id} | {f"new_{name}": getattr(mail, name) for name in FATE}
