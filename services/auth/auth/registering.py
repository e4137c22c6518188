"""Opening an account, and checking that its address is read by whoever opened it."""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from auth.challenges import Challenges
from auth.models import Purpose, Role, User, compared
from auth.passwords import Passwords, check_choice
from auth.schemas import Message, Proof, Registration
from common.clock import now
from common.database import Sessions, retried
from common.errors import Conflict, Invalid
from common.events.auth import UserRegistered
from common.outbox import say


def register(
    sessions: Sessions, passwords: Passwords, challenges: Challenges, form: Registration, role: Role = Role.USER
) -> User:
    """Open an account and say so. Raises Conflict when its name or address belongs to one already."""
    user = User(
        username=form.username,
        username_key=compared(form.username),
        email=form.email,
        email_key=compared(form.email),
        first_name=form.first_name,
        last_name=form.last_name,
        phone_number=form.phone_number,
        role=role,
    )
    check_choice(form.password, user.own_words)
    with sessions.begin() as session:
        check_free(session, user.username_key, user.email_key)
    user.password_hash = passwords.hash(form.password)
    try:
        return _open_account(sessions, challenges, user)
    except IntegrityError:
        raise already_registered() from None


def already_registered() -> Conflict:
    """The refusal that does not say which of the two is taken."""
    return Conflict("an account with this username or address exists already", code="already_registered")


def check_free(session: Session, username_key: str, email_key: str) -> None:
    """Raise Conflict when one of them belongs to an account."""
    same = (User.username_key == username_key) | (User.email_key == email_key)
    if session.scalar(select(User.id).where(same).limit(1)) is not None:
        raise already_registered()


@retried
def _open_account(sessions: Sessions, challenges: Challenges, user: User) -> User:
    with sessions.begin() as session:
        session.add(user)
        session.flush()
        check = challenges.open(session, Purpose.EMAIL_CHECK, user.email_key)
        say(session, UserRegistered(**user.facts, challenge_id=check.id))
    return user


def create_admin(sessions: Sessions, passwords: Passwords, challenges: Challenges, form: Registration) -> bool:
    """Open an administrator's account; False if that administrator is there already. Raises Conflict."""
    try:
        register(sessions, passwords, challenges, form, Role.ADMIN)
    except Conflict:
        if not _is_admin(sessions, form.username):
            raise
        return False
    return True


def _is_admin(sessions: Sessions, username: str) -> bool:
    with sessions.begin() as session:
        return session.scalar(select(User.role).where(User.username_key == compared(username))) == Role.ADMIN


@retried
def verify_email(sessions: Sessions, challenges: Challenges, form: Proof) -> Message:
    """Note that an address is read by its account's owner. Raises Invalid for a token that is not good any more."""
    with sessions.begin() as session:
        challenge = challenges.take(session, Purpose.EMAIL_CHECK, form.token)
        user = None if challenge is None else user_of(session, challenge.email_key)
        if user is None:
            raise invalid_token()
        user.email_verified_at = now()
    return Message(message="your address is verified")


def user_of(session: Session, email_key: str) -> User | None:
    """The account of an address that may sign in, locked until the caller commits."""
    active = select(User).where(User.email_key == email_key, User.is_active.is_(True))
    return session.scalar(active.with_for_update())


def invalid_token() -> Invalid:
    """The refusal of a token that was mailed: it does not tell the used from the expired and the forged."""
    return Invalid("this link is not valid any more; ask for a new one", code="invalid_token")
