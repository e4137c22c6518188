"""Beginning a session: by password, or by a one-time code that is mailed."""

from dataclasses import asdict

import structlog
from sqlalchemy import select

from auth import guessing
from auth.challenges import LIFE, RESEND_AFTER, Challenges
from auth.grants import Client, Grants, Opened
from auth.models import Purpose, User, compared
from auth.passwords import Passwords
from auth.registering import user_of
from auth.schemas import CodeSent, Credentials, OneTimeCode, Reader, SignedIn, UserView
from common.clock import now
from common.database import Sessions, retried
from common.errors import Forbidden, Invalid, Unauthorized
from common.events.auth import OtpRequested
from common.outbox import say

log = structlog.get_logger(__name__)

PASSWORD = "pwd"  # noqa: S105 - RFC 8176's word
CODE = "otp"
"""How a session began (RFC 8176)."""


def log_in(sessions: Sessions, passwords: Passwords, grants: Grants, form: Credentials, client: Client) -> SignedIn:
    """Open a session for whoever knows the password.

    Raises Unauthorized, TooMany, or Forbidden for an account that is off. An unknown name costs the same time as a
    wrong password, and is throttled alike.
    """
    user = _find(sessions, form.name)
    account = str(user.id) if user else compared(form.name)
    check_password(sessions, passwords, user, account, form.password, client)
    assert user is not None  # noqa: S101 - nobody's password is ever right
    renewed = passwords.hash(form.password) if passwords.is_outdated(user.password_hash) else user.password_hash
    opened = _open_session(sessions, grants, user, renewed, client)
    if opened is None:
        return log_in(sessions, passwords, grants, form, client)
    return _signed_in(grants, opened)


def check_password(
    sessions: Sessions, passwords: Passwords, user: User | None, account: str, password: str, client: Client
) -> None:
    """Raise Unauthorized unless this is the password of the user, TooMany when it may not even be tried."""
    guessing.admit(sessions, account, client.ip)
    if not passwords.matches(password, user.password_hash if user else None):
        guessing.fail(sessions, account, client.ip)
        log.info("password_refused", user=user and str(user.id), client=client.ip)
        raise Unauthorized("this name and this password do not belong together", code="invalid_credentials")
    guessing.succeed(sessions, account, client.ip)


def _find(sessions: Sessions, name: str) -> User | None:
    """The account of a username or an address; only an address has an @."""
    key = User.email_key if "@" in name else User.username_key
    with sessions.begin() as session:
        return session.scalar(select(User).where(key == compared(name)))


@retried
def _open_session(sessions: Sessions, grants: Grants, known: User, renewed: str, client: Client) -> Opened | None:
    """Open the session; None if the account got another password since the one that was sent was checked."""
    with sessions.begin() as session:
        user = session.get_one(User, known.id, with_for_update=True)
        if user.password_hash != known.password_hash:
            return None
        if not user.is_active:
            raise Forbidden("this account is disabled", code="account_disabled")
        user.password_hash = renewed
        return grants.open(session, user, client, PASSWORD)


@retried
def request_otp(sessions: Sessions, challenges: Challenges, form: Reader) -> CodeSent:
    """Have a code mailed to the address, if it is an account's: nobody looks before the mail is written.

    So the answer and its time are the same for every address. Raises TooMany.
    """
    with sessions.begin() as session:
        challenge = challenges.request(session, Purpose.SIGN_IN, compared(form.email))
        say(session, OtpRequested(challenge_id=challenge.id, expires_at=challenge.expires_at))
    return CodeSent(
        message="if this address belongs to an account, a code is on its way to it",
        expires_in=int(LIFE[Purpose.SIGN_IN].total_seconds()),
        resend_after=int(RESEND_AFTER.total_seconds()),
    )


def verify_otp(
    sessions: Sessions, challenges: Challenges, grants: Grants, form: OneTimeCode, client: Client
) -> SignedIn:
    """Open a session for whoever has read the code. Raises Invalid, the same for whatever is wrong, and TooMany."""
    opened = _open_by_code(sessions, challenges, grants, form, client)
    if opened is None:
        log.info("code_refused", client=client.ip)
        raise Invalid("this code is wrong or not valid any more; ask for a new one", code="invalid_otp")
    return _signed_in(grants, opened)


@retried
def _open_by_code(
    sessions: Sessions, challenges: Challenges, grants: Grants, form: OneTimeCode, client: Client
) -> Opened | None:
    email_key = compared(form.email)
    with sessions.begin() as session:
        if not challenges.accepts_code(session, email_key, form.otp):
            return None
        user = user_of(session, email_key)
        if user is None:
            return None
        user.email_verified_at = now()
        guessing.forget(session, str(user.id), client.ip)
        return grants.open(session, user, client, CODE)


def _signed_in(grants: Grants, opened: Opened) -> SignedIn:
    log.info("signed_in", user=str(opened.user.id), session=str(opened.session.id), by=opened.session.amr)
    view = UserView.model_validate(opened.user)
    return SignedIn(message="you are signed in", user=view, **asdict(grants.pair(opened)))
