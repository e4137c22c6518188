"""The signing bench: users with tokens that verify, signed by a key that a fake auth publishes."""

import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.ids import new_id
from common.testing.sisters import FakeSister
from common.tokens import ALGORITHM, AUDIENCE, ISSUER, JWKS_PATH, TYPE

KID = "test-key"


@dataclass(frozen=True)
class SignedUser:
    """A user as the tests know one."""

    id: UUID
    username: str
    role: str
    session: UUID
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """The Authorization header."""
        return {"Authorization": f"Bearer {self.token}"}


@dataclass
class Signer:
    """Signs tokens; `ended` holds the sessions that auth would call ended."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    ended: set[str] = field(default_factory=set)

    def publish_on(self, auth: FakeSister) -> None:
        """Let a fake auth answer for the key and for the sessions."""
        public = jwt.algorithms.OKPAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        jwks = {"keys": [public | {"kid": KID, "alg": ALGORITHM, "use": "sig"}]}
        auth.answer("GET", JWKS_PATH, lambda *_: (200, jwks))
        auth.answer("GET", "/internal/sessions/", self._session)

    def _session(self, path: str, _: Any) -> tuple[int, Any]:
        return 200, {"active": path.strip("/").split("/")[-1] not in self.ended}

    def user(self, username: str = "ada", role: str = "user", amr: tuple[str, ...] = ("pwd",)) -> SignedUser:
        """A fresh user with a good token."""
        user, session = new_id(), new_id()
        claims = {"sub": str(user), "sid": str(session), "username": username, "role": role, "amr": list(amr)}
        return SignedUser(user, username, role, session, self.sign(claims))

    def admin(self) -> SignedUser:
        """A fresh administrator."""
        return self.user("admin", "admin")

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """A token with these claims over good ones."""
        moment = int(time.time())
        base = {"iss": ISSUER, "aud": AUDIENCE, "jti": str(new_id()), "iat": moment, "exp": moment + 600}
        headers = {"kid": KID, "typ": TYPE} | header
        return jwt.encode(base | claims, self.key, algorithm=ALGORITHM, headers=headers)
