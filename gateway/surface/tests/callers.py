"""Who calls: people whose access tokens the services trust, those of auth with real accounts."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from redis import Redis
from sqlalchemy import update

from auth.models import Purpose, Role, User
from common.database import Sessions
from common.ids import new_id
from common.revocation import revoked_key
from common.tokens import ALGORITHM, AUDIENCE, ISSUER, TYPE

from .jws import jws

PASSWORD = "pomegranates by the well"

Claims = dict[str, Any]
Headers = list[tuple[str, str]]


def bearing(token: str) -> Headers:
    """The header that shows a token."""
    return [("Authorization", f"Bearer {token}")]


@dataclass(frozen=True)
class Mint:
    """Signs access tokens with a key that a service trusts."""

    key: Ed25519PrivateKey
    kid: str

    def sign(self, claims: Claims, **header: Any) -> str:
        """A token with exactly these claims, and with this changed in its header."""
        return jws({"alg": ALGORITHM, "kid": self.kid, "typ": TYPE} | header, claims, self.key.sign)

    def completed(self, claims: Claims) -> Claims:
        """The claims with all that a good token says."""
        moment = int(time.time())
        base = {"iss": ISSUER, "aud": AUDIENCE, "jti": str(new_id()), "iat": moment, "exp": moment + 600}
        return base | claims


@dataclass(frozen=True)
class Caller:
    """Somebody with an access token."""

    id: UUID
    claims: Claims
    token: str
    refresh_token: str = "not a token of anybody"
    username: str = ""
    email: str = ""

    @property
    def headers(self) -> Headers:
        """What a request of theirs shows."""
        return bearing(self.token)

    @property
    def session(self) -> UUID:
        """The session that the token belongs to."""
        return UUID(self.claims["sid"])


class People(Protocol):
    """Those who call one service. Everybody is somebody new, so that no cell of the matrix depends on another."""

    mint: Mint

    def someone(self, role: str = "user", amr: str = "pwd") -> Caller:
        """Somebody who has signed in."""

    def signed_out(self) -> Caller:
        """Somebody whose session has ended, and whose token has not."""

    def disabled(self) -> Caller:
        """Somebody whose account an administrator has switched off."""


@dataclass(frozen=True)
class Visitors:
    """Callers of the services that know users by their tokens alone."""

    mint: Mint
    redis: Redis

    def someone(self, role: str = "user", amr: str = "pwd") -> Caller:
        user = new_id()
        claims = {"sub": str(user), "sid": str(new_id()), "username": role, "role": role, "amr": [amr]}
        claims = self.mint.completed(claims)
        return Caller(user, claims, self.mint.sign(claims))

    def signed_out(self) -> Caller:
        caller = self.someone()
        self.redis.set(revoked_key(caller.session), "1", ex=600)
        return caller

    disabled = signed_out  # what auth does to the sessions of such an account


@dataclass(frozen=True)
class Members:
    """Callers of auth: they have accounts, and tokens that auth itself has signed."""

    mint: Mint
    http: httpx.Client
    sessions: Sessions
    mailed: Callable[[str, str], str]

    def someone(self, role: str = "user", amr: str = "pwd") -> Caller:
        name = f"member-{new_id().hex}"
        form = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        opened = self.http.post("/api/auth/register/", json=form)
        assert opened.status_code == 201, opened.text
        if role == Role.ADMIN:
            with self.sessions.begin() as session:
                session.execute(update(User).where(User.username == name).values(role=Role.ADMIN))
        return self._by_code(form) if amr == "otp" else self._sign_in("login", form)

    def signed_out(self) -> Caller:
        caller = self.someone()
        left = self.http.post("/api/auth/logout/", headers=caller.headers)
        assert left.status_code == 200, left.text
        return caller

    def disabled(self) -> Caller:
        caller = self.someone()
        admin = self.someone(Role.ADMIN)
        path = f"/api/auth/users/{caller.id}/"
        done = self.http.patch(path, json={"is_active": False}, headers=admin.headers)
        assert done.status_code == 200, done.text
        return caller

    def _by_code(self, form: dict[str, str]) -> Caller:
        asked = self.http.post("/api/auth/request-otp/", json={"email": form["email"]})
        assert asked.status_code == 200, asked.text
        return self._sign_in("verify-otp", {"email": form["email"], "otp": self.mailed(Purpose.SIGN_IN, form["email"])})

    def _sign_in(self, door: str, form: dict[str, str]) -> Caller:
        sent = {name: word for name, word in form.items() if (door, name) != ("login", "email")}
        answer = self.http.post(f"/api/auth/{door}/", json=sent)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        claims = jwt.decode(said["access_token"], options={"verify_signature": False})
        user, token = said["user"], said["access_token"]
        return Caller(UUID(user["id"]), claims, token, said["refresh_token"], user["username"], user["email"])
