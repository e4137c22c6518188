"""Resending: an administrator has a mail sent again, as one of its own, so that the log tells what was sent when."""

from uuid import UUID

import structlog
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from common.clock import now
from common.database import Sessions, retried
from common.errors import Conflict, NotFound
from common.idempotency import Answer, Claim, claim_one, finish, new_claim
from common.tokens import User
from notifier.models import WAITING, Notification, State
from notifier.preferring import unwanted
from notifier.recipients import Address, addresses
from notifier.schemas import NotificationView
from notifier.wording import FOR_ONE_ADDRESS

log = structlog.get_logger(__name__)


@retried
def resend_mail(sessions: Sessions, mail_id: UUID, admin: User, key: str | None) -> Answer:
    """Queue a copy of the mail and show it; a repeated key gets the first answer. Raises NotFound, Conflict, KeyReused.

    The first of the mails that say the same is locked before the key is claimed: so of two who ask at once the second
    meets the first one's copy.
    """
    claim = new_claim(key, str(admin.id), f"POST /api/notifications/{mail_id}/resend/", None)
    with sessions.begin() as session:
        first = _locked_first(session, mail_id)
        claimed = claim_one(session, claim)
        if isinstance(claimed, Answer):
            return claimed
        mail = session.get_one(Notification, mail_id)
        _check_sendable(session, mail, first)
        copy = _copy(mail, first, claimed, _address(session, mail))
        session.add(copy)
        answer = Answer(202, NotificationView.model_validate(copy).model_dump(mode="json"))
        finish(session, claimed, answer)
    log.info("mail_resent", by=str(admin.id), mail=str(mail_id), copy=str(copy.id))
    return answer


def _locked_first(session: Session, mail_id: UUID) -> UUID:
    """The first of the mails that say the same. Raises NotFound, also for one of which it is not known whose it is."""
    mail = session.get(Notification, mail_id)
    if mail is None or mail.is_nobodys:
        raise NotFound("there is no such mail", code="notification_not_found")
    return session.get_one(Notification, mail.resent_of or mail.id, with_for_update=True).id


def _check_sendable(session: Session, mail: Notification, first: UUID) -> None:
    if mail.challenge_id is not None:
        sentence = "this mail holds a one-time code or link, which is not sent twice; its user can ask for a new one"
        raise Conflict(sentence, code="one_time_secret")
    waiting = _waiting(session, first)
    if waiting is not None:
        raise Conflict("this mail is still waiting to be sent", code="still_waiting", notification=str(waiting))
    if (mail.user_id, mail.type) in unwanted(session, [(mail.user_id, mail.type)]):
        raise Conflict(f"its user has switched {mail.type} mails off", code="switched_off")


def _waiting(session: Session, first: UUID) -> UUID | None:
    same = or_(Notification.id == first, Notification.resent_of == first)
    return session.scalar(select(Notification.id).where(same, Notification.state.in_(WAITING)).limit(1))


def _address(session: Session, mail: Notification) -> Address:
    """Where the user is reached now, which may be why it is sent again, unless it is meant for that one address."""
    then = Address(mail.email, mail.data["name"])
    return then if mail.type in FOR_ONE_ADDRESS else addresses(session, [mail.user_id]).get(mail.user_id, then)


def _copy(mail: Notification, first: UUID, claim: Claim, address: Address) -> Notification:
    moment = now()
    return Notification(
        id=claim.resource_id,
        cause=f"resend/{claim.resource_id}",
        type=mail.type,
        user_id=mail.user_id,
        challenge_id=None,
        resent_of=first,
        email=address.email,
        subject=mail.subject,
        data=mail.data | {"name": address.name},
        state=State.QUEUED,
        attempts=0,
        error="",
        created_at=moment,
        due_at=moment,
        sent_at=None,
    )
