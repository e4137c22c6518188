"""Changing one's account: its names, its address, its password, and a new password when the old one is forgotten."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth import guessing
from auth.challenges import Challenges, withdraw
from auth.grants import Client, end_sessions, open_sessions
from auth.models import Challenge, Purpose, User, compared
from auth.passwords import Passwords, check_choice
from auth.queries import me
from auth.registering import already_registered, invalid_token, user_of
from auth.revocations import RevokedSet
from auth.schemas import Change, Message, NewPassword, PasswordChange, Reader
from auth.signing_in import check_password
from common import tokens
from common.clock import now
from common.database import Sessions, retried
from common.errors import Invalid
from common.events.auth import PasswordResetRequested, UserUpdated
from common.outbox import say
from common.preconditions import check_match


def change_me(
    sessions: Sessions,
    passwords: Passwords,
    challenges: Challenges,
    user: tokens.User,
    form: Change,
    client: Client,
    if_match: str | None,
) -> User:
    """Change one's own account and say so; another name or address asks for the password.

    Raises Invalid, Unauthorized, TooMany, Conflict when the new one is taken, PreconditionFailed.
    """
    known = me(sessions, user.id)
    if form.touches_identity(known):
        if form.current_password is None:
            sentence = "another username or address needs your present password"
            raise Invalid(sentence, code="password_needed", errors={"current_password": [sentence]})
        check_password(sessions, passwords, known, str(known.id), form.current_password, client)
    try:
        changed = _change(sessions, challenges, known, form, if_match)
    except IntegrityError:
        raise already_registered() from None
    return changed or change_me(sessions, passwords, challenges, user, form, client, if_match)


@retried
def _change(sessions: Sessions, challenges: Challenges, known: User, form: Change, if_match: str | None) -> User | None:
    """The account as it is then; None if what decided about the password has changed since it was read."""
    with sessions.begin() as session:
        user = session.get_one(User, known.id, with_for_update=True)
        if user.identity != known.identity:
            return None
        check_match(user.etag, if_match, "account")
        previous = user.email
        for name, value in form.fields().items():
            setattr(user, name, value)
        user.username_key, user.email_key = compared(user.username), compared(user.email)
        if not session.is_modified(user):
            return user
        user.version += 1
        moved = user.email != previous
        check = _begin_check(session, challenges, user) if moved else None
        say(session, _updated(user, previous if moved else None, check))
    return user


def _begin_check(session: Session, challenges: Challenges, user: User) -> Challenge:
    """A new address has yet to be checked; nobody is mailed without end because others take and leave their address."""
    user.email_verified_at = None
    session.flush()
    return challenges.request(session, Purpose.EMAIL_CHECK, user.email_key)


def _updated(user: User, previous_email: str | None, check: Challenge | None) -> UserUpdated:
    return UserUpdated(**user.facts, previous_email=previous_email, challenge_id=check and check.id)


def change_password(
    sessions: Sessions,
    passwords: Passwords,
    revoked: RevokedSet,
    user: tokens.User,
    form: PasswordChange,
    client: Client,
) -> Message:
    """Set a new password; all other sessions end, and a link that was mailed for one opens nothing any more.

    Raises Invalid for a weak one, Unauthorized, TooMany.
    """
    known = me(sessions, user.id)
    check_choice(form.new_password, known.own_words, "new_password")
    check_password(sessions, passwords, known, str(known.id), form.old_password, client)
    hashed = passwords.hash(form.new_password)
    ended = _set_password(sessions, known, hashed, user.session)
    if ended is None:
        return change_password(sessions, passwords, revoked, user, form, client)
    revoked.add(ended)
    return Message(message="your password is changed, and all your other sessions are ended")


@retried
def _set_password(sessions: Sessions, known: User, hashed: str, present: UUID) -> Sequence[UUID] | None:
    """Keep the new hash; None if the account got another password since the old one was checked."""
    with sessions.begin() as session:
        withdraw(session, Purpose.PASSWORD_RESET, known.email_key)
        user = session.get_one(User, known.id, with_for_update=True)
        if user.password_hash != known.password_hash:
            return None
        user.password_hash = hashed
        others = [each for each in open_sessions(session, user.id) if each != present]
        return end_sessions(session, user, others, "password_changed")


@retried
def request_reset(sessions: Sessions, challenges: Challenges, form: Reader) -> Message:
    """Have a link for a new password mailed to the address, if it is an account's. Raises TooMany."""
    with sessions.begin() as session:
        challenge = challenges.request(session, Purpose.PASSWORD_RESET, compared(form.email))
        say(session, PasswordResetRequested(challenge_id=challenge.id, expires_at=challenge.expires_at))
    return Message(message="if this address belongs to an account, a link is on its way to it")


def reset_password(
    sessions: Sessions,
    passwords: Passwords,
    challenges: Challenges,
    revoked: RevokedSet,
    form: NewPassword,
    client: Client,
) -> Message:
    """Set a new password for whoever has read the mail, and end all sessions. Raises Invalid.

    A password that is too weak leaves the token good for another try.
    """
    with sessions.begin() as session:
        challenge = challenges.find(session, Purpose.PASSWORD_RESET, form.token)
        user = None if challenge is None else user_of(session, challenge.email_key)
    if user is None:
        raise invalid_token()
    check_choice(form.new_password, user.own_words, "new_password")
    revoked.add(_reset(sessions, challenges, form.token, passwords.hash(form.new_password), client))
    return Message(message="your password is changed, and all your sessions are ended; sign in with the new one")


@retried
def _reset(sessions: Sessions, challenges: Challenges, token: str, hashed: str, client: Client) -> Sequence[UUID]:
    with sessions.begin() as session:
        challenge = challenges.take(session, Purpose.PASSWORD_RESET, token)
        user = None if challenge is None else user_of(session, challenge.email_key)
        if user is None:
            raise invalid_token()
        user.password_hash = hashed
        user.email_verified_at = now()
        guessing.forget(session, str(user.id), client.ip)
        return end_sessions(session, user, open_sessions(session, user.id), "password_reset")
