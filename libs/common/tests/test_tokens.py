"""The tokens' tests: what auth signed is believed, everything else is 401, and what cannot be found out is 503."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisAway

from common import revocation
from common import tokens as rooms
from common.errors import Problem, Unauthorized, Unavailable
from common.http import AsyncSister
from common.ids import new_id
from common.revocation import EPOCH, Revocations, revoked_key
from common.service_tokens import Badge
from common.testing.clocks import other_time
from common.testing.signing import KID, Signer
from common.testing.sisters import FakeSister, fake_sister
from common.tokens import JWKS_PATH, TYPE, Keys, Tokens, User


class Memory:
    """Stands in for Redis where the test is about tokens: only what the revocation check asks."""

    def __init__(self, **kept: str) -> None:
        self.kept = kept
        self.away = False
        self.asked = 0

    async def mget(self, *names: str) -> list[str | None]:
        self.asked += 1
        if self.away:
            raise RedisAway("away")
        return [self.kept.get(name) for name in names]


def run(url: str, story: Callable[[Tokens], Coroutine[Any, Any, Any]], redis: Any = None) -> Any:
    """Run a story with a token check that asks the auth at this address."""

    async def begin() -> Any:
        auth = AsyncSister("auth", url, Badge("toys"), timeout_s=1)
        try:
            store = redis if redis is not None else Memory(**{EPOCH: "1"})
            return await story(Tokens(Keys(auth), Revocations(store, auth)))
        finally:
            await auth.close()

    return asyncio.run(begin())


def outcome(url: str, *sent: str, redis: Any = None) -> list[User | str]:
    """The user or the problem's code for each token, one after another."""

    async def story(tokens: Tokens) -> list[User | str]:
        seen: list[User | str] = []
        for token in sent:
            try:
                seen.append(await tokens.user(token))
            except Problem as problem:
                seen.append(problem.problem_code)
        return seen

    result: list[User | str] = run(url, story, redis)
    return result


def good_claims(**changed: Any) -> dict[str, Any]:
    claims = {"sub": str(new_id()), "sid": str(new_id()), "username": "ada", "role": "user", "amr": ["pwd"]}
    return {name: value for name, value in (claims | changed).items() if value is not ...}


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unsigned(header: Any, claims: Any, signature: bytes = b"") -> str:
    return f"{part(header)}.{part(claims)}.{part(signature)}"


def full_claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    return good_claims(iss="stoa", aud="stoa", jti=str(new_id()), iat=now, exp=now + 600, **changed)


HEAD = {"alg": "EdDSA", "typ": TYPE, "kid": KID}


def signed(signer: Signer, claims: Any) -> str:
    """What the library would not sign, under a good signature."""
    words = f"{part(HEAD)}.{part(claims)}"
    return f"{words}.{part(signer.key.sign(words.encode()))}"


def without(name: str) -> dict[str, Any]:
    return {claim: value for claim, value in full_claims().items() if claim != name}


CLAIMS = ("sub", "sid", "role", "amr", "jti", "iat", "exp", "iss", "aud")


def hmac_with_public_key(signer: Signer, encode: Callable[[Any], bytes]) -> str:
    words = f"{part(HEAD | {'alg': 'HS256'})}.{part(full_claims())}"
    return f"{words}.{part(hmac.new(encode(signer.key.public_key()), words.encode(), hashlib.sha256).digest())}"


def raw_bytes(key: Any) -> bytes:
    data: bytes = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return data


def pem_bytes(key: Any) -> bytes:
    data: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return data


def stranger(**header: Any) -> str:
    return jwt.encode(full_claims(), Ed25519PrivateKey.generate(), algorithm="EdDSA", headers=HEAD | header)


def embedded() -> str:
    key = Ed25519PrivateKey.generate()
    public = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return jwt.encode(full_claims(), key, algorithm="EdDSA", headers=HEAD | {"jwk": public})


def tampered(signer: Signer, **changed: Any) -> str:
    head, body, signature = signer.user().token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{part(claims | changed)}.{signature}"


def other_head(signer: Signer, header: Any) -> str:
    _, body, signature = signer.user().token.split(".")
    return f"{part(header)}.{body}.{signature}"


def cut(signer: Signer, change: Callable[[str, str, str], str]) -> str:
    return change(*signer.user().token.split("."))


def key_of(make: Callable[[], Any], algorithm: str) -> str:
    return jwt.encode(full_claims(), make(), algorithm=algorithm, headers=HEAD | {"alg": algorithm})


def seconds_from_now(seconds: int) -> int:
    return int(time.time()) + seconds


FORGERIES: dict[str, Callable[[Signer], str]] = {
    **{
        f"alg {name!r}": lambda _, n=name: unsigned(HEAD | {"alg": n}, full_claims())
        for name in ("none", "None", "NONE", "nOnE", "", None, 5, ["EdDSA"], {"a": 1})
    },
    "alg none with a good signature": lambda s: other_head(s, HEAD | {"alg": "none"}),
    "no alg": lambda _: unsigned({"typ": TYPE, "kid": KID}, full_claims()),
    "alg in other letters": lambda s: other_head(s, HEAD | {"alg": "eddsa"}),
    "hs256 with the public key": lambda s: hmac_with_public_key(s, raw_bytes),
    "hs256 with the public key as pem": lambda s: hmac_with_public_key(s, pem_bytes),
    "hs256 with an empty key": lambda _: hmac_with_public_key(Signer(), lambda _: b""),
    "rs256": lambda _: key_of(lambda: rsa.generate_private_key(65537, 2048), "RS256"),
    "es256": lambda _: key_of(lambda: ec.generate_private_key(ec.SECP256R1()), "ES256"),
    "another's key": lambda _: stranger(),
    "an embedded key": lambda _: embedded(),
    "a key by address": lambda _: stranger(jku="http://evil.example/jwks.json", x5u="http://evil.example/x"),
    "an unknown kid": lambda s: s.sign(good_claims(), kid="other"),
    "a kid that is a path": lambda s: s.sign(good_claims(), kid="../../../../dev/null"),
    "a kid that is sql": lambda s: s.sign(good_claims(), kid="' OR 1=1 --"),
    "a kid that is an address": lambda s: s.sign(good_claims(), kid="http://evil.example/key"),
    "a kid that is a number": lambda s: other_head(s, HEAD | {"kid": 5}),
    "a kid that is null": lambda s: other_head(s, HEAD | {"kid": None}),
    "no kid": lambda s: other_head(s, {"alg": "EdDSA", "typ": TYPE}),
    "a long kid": lambda s: s.sign(good_claims(), kid="k" * 10_000),
    "crit": lambda s: s.sign(good_claims(), crit=["exp"], exp=1),
    "empty crit": lambda s: s.sign(good_claims(), crit=[]),
    "detached": lambda s: cut(s, lambda *parts: f"{part(HEAD | {'b64': False})}..{parts[2]}"),
    "typ jwt": lambda s: s.sign(good_claims(), typ="JWT"),
    "typ of a refresh token": lambda s: s.sign(good_claims(), typ="rt+jwt"),
    "typ of a service token": lambda s: s.sign(good_claims(), typ="service+jwt"),
    "typ in other letters": lambda s: s.sign(good_claims(), typ="AT+JWT"),
    "no typ": lambda s: other_head(s, {"alg": "EdDSA", "kid": KID}),
    **{f"no {name}": lambda s, n=name: signed(s, without(n)) for name in CLAIMS},
    **{f"{name} that is null": lambda s, n=name: signed(s, full_claims() | {n: None}) for name in CLAIMS},
    "claims that are no mapping": lambda s: signed(s, [1]),
    "claims that are no json": lambda s: signed(s, b"{"),
    "deep claims": lambda s: signed(s, b"[" * 2500),
    "expired": lambda s: s.sign(good_claims(exp=seconds_from_now(-60))),
    "expired long ago": lambda s: s.sign(good_claims(exp=0)),
    "exp as words": lambda s: s.sign(good_claims(exp="tomorrow")),
    "exp as a list": lambda s: s.sign(good_claims(exp=[seconds_from_now(600)])),
    "exp far beyond all time": lambda s: s.sign(good_claims(exp=1e300)),
    "exp of 400 digits": lambda s: s.sign(good_claims(exp=10**400)),
    "exp without end": lambda s: s.sign(good_claims(exp=float("inf"))),
    "exp that is no number": lambda s: s.sign(good_claims(exp=float("nan"))),
    "nbf in the future": lambda s: s.sign(good_claims(nbf=seconds_from_now(600))),
    "iat in the future": lambda s: s.sign(good_claims(iat=seconds_from_now(600))),
    "iat as words": lambda s: s.sign(good_claims(iat="now")),
    "another issuer": lambda s: s.sign(good_claims(iss="evil")),
    "issuers in a list": lambda s: signed(s, full_claims() | {"iss": ["stoa"]}),
    "another audience": lambda s: s.sign(good_claims(aud="catalog")),
    "an audience that is a number": lambda s: s.sign(good_claims(aud=5)),
    "a sub that is no id": lambda s: s.sign(good_claims(sub="ada")),
    "a sub that is a number": lambda s: s.sign(good_claims(sub=5)),
    "a sid that is a number": lambda s: s.sign(good_claims(sid=5)),
    "a sid that is null": lambda s: s.sign(good_claims(sid=None)),
    "a sid that is a list": lambda s: s.sign(good_claims(sid=[str(new_id())])),
    "a sid that is no id": lambda s: s.sign(good_claims(sid="*")),
    "a role that is a list": lambda s: s.sign(good_claims(role=["admin"])),
    "a role that is a number": lambda s: s.sign(good_claims(role=1)),
    "amr that is a word": lambda s: s.sign(good_claims(amr="pwd")),
    "amr that is a number": lambda s: s.sign(good_claims(amr=5)),
    "amr that is a mapping": lambda s: s.sign(good_claims(amr={"pwd": 1})),
    "amr of numbers": lambda s: s.sign(good_claims(amr=[1])),
    "a name that is a number": lambda s: s.sign(good_claims(username=5)),
    "a tampered role": lambda s: tampered(s, role="admin"),
    "a tampered sub": lambda s: tampered(s, sub=str(new_id())),
    "a tampered exp": lambda s: tampered(s, exp=seconds_from_now(10**6)),
    "an empty signature": lambda s: cut(s, lambda h, b, _: f"{h}.{b}."),
    "no signature": lambda s: cut(s, lambda h, b, _: f"{h}.{b}"),
    "a trailing dot": lambda s: s.user().token + ".",
    "a trailing letter": lambda s: s.user().token + "A",
    "a leading dot": lambda s: "." + s.user().token,
    "a changed signature": lambda s: cut(s, lambda h, b, sig: f"{h}.{b}.{'A' if sig[0] != 'A' else 'B'}{sig[1:]}"),
    "a signature of zeroes": lambda s: cut(s, lambda h, b, _: f"{h}.{b}.{part(bytes(64))}"),
    "white space within": lambda s: cut(s, lambda h, b, sig: f"{h}. {b}.{sig}"),
    "white space around": lambda s: f" {s.user().token}\n",
    "a line break within": lambda s: cut(s, lambda h, b, sig: f"{h}\n.{b}.{sig}"),
    "two tokens": lambda s: f"{s.user().token},{s.user().token}",
    "empty": lambda _: "",
    "dots": lambda _: "..",
    "a word": lambda _: "token",
    "not ascii": lambda _: "tökén.ä.ö",
    "a lone surrogate": lambda _: "\ud800.a.b",
    "nul": lambda _: "\0",
    "json": lambda s: json.dumps({"payload": s.user().token}),
    "a head that is a list": lambda _: unsigned([], full_claims()),
    "a head that is no json": lambda _: unsigned(b"{", full_claims()),
    "a deep head": lambda _: unsigned(b"[" * 2000, {}),
    "a deep mapping in the head": lambda _: unsigned(b'{"a":' * 500 + b"1" + b"}" * 500, {}),
    "claims that are a list": lambda s: s.user().token.split(".")[0] + "." + part([]) + ".",
    "oversized": lambda s: s.sign(good_claims(username="a" * 5000)),
    "enormous": lambda _: "a" * 10**6,
}


Verdict = Callable[[str], User | str]


@pytest.fixture(scope="module")
def forger() -> Signer:
    """Knows the good key, and how to misuse it."""
    return Signer()


@pytest.fixture(scope="module")
def verdict(forger: Signer) -> Iterator[Verdict]:
    """What one long-lived check says to a token: the user, or the problem's code."""
    with fake_sister() as auth, asyncio.Runner() as runner:
        forger.publish_on(auth)
        sister = AsyncSister("auth", auth.url, Badge("toys"), timeout_s=1)
        tokens = Tokens(Keys(sister), Revocations(Memory(**{EPOCH: "1"}), sister))  # type: ignore[arg-type]

        def say(token: str) -> User | str:
            try:
                return runner.run(tokens.user(token))
            except Problem as problem:
                return problem.problem_code

        assert isinstance(say(forger.user().token), User)
        yield say
        runner.run(sister.close())


@pytest.mark.unit
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forgery_is_not_believed(forger: Signer, verdict: Verdict, forge: Callable[[Signer], str]) -> None:
    assert verdict(forge(forger)) in ("invalid_token", "token_expired")
    assert isinstance(verdict(forger.user().token), User)


@pytest.mark.unit
def test_there_are_enough_forgeries() -> None:
    assert len(FORGERIES) >= 80


@pytest.mark.unit
def test_a_good_token_says_who_is_knocking(signer: Signer, auth_sister: FakeSister) -> None:
    known = signer.user("grace", amr=("otp",))
    user = outcome(auth_sister.url, known.token)[0]
    assert isinstance(user, User)
    assert (user.id, user.username, user.role, user.session, user.amr) == (
        known.id,
        "grace",
        "user",
        known.session,
        ("otp",),
    )


@pytest.mark.unit
@pytest.mark.parametrize(
    ("role", "amr", "admin"), [("admin", ("pwd",), True), ("admin", ("otp",), False), ("user", ("pwd",), False)]
)
def test_admin_rights_need_a_session_that_began_with_the_password(
    signer: Signer, auth_sister: FakeSister, role: str, amr: tuple[str, ...], admin: bool
) -> None:
    user = outcome(auth_sister.url, signer.user("root", role, amr).token)[0]
    assert isinstance(user, User)
    assert user.is_admin is admin


@pytest.mark.unit
def test_a_clock_may_differ_by_a_few_seconds(signer: Signer, auth_sister: FakeSister) -> None:
    now = int(time.time())
    late = signer.sign(good_claims(exp=now - 2))
    early = signer.sign(good_claims(iat=now + 3))
    assert all(isinstance(user, User) for user in outcome(auth_sister.url, late, early))


@pytest.mark.unit
def test_a_remembered_token_ends_when_it_expires(
    monkeypatch: pytest.MonkeyPatch, signer: Signer, auth_sister: FakeSister
) -> None:
    token = signer.user().token

    async def story(tokens: Tokens) -> None:
        await tokens.user(token)
        later = time.time() + 700
        other_time(monkeypatch, rooms, time=lambda: later)
        monkeypatch.setattr("jwt.api_jwt.datetime", Later)
        with pytest.raises(Unauthorized) as refused:
            await tokens.user(token)
        assert refused.value.problem_code == "token_expired"

    run(auth_sister.url, story)


class Later:
    """A clock 700 s ahead, for the library."""

    @staticmethod
    def now(tz: Any = None) -> Any:
        from datetime import datetime, timedelta

        return datetime.now(tz) + timedelta(seconds=700)


@pytest.mark.unit
def test_the_keys_are_fetched_once_for_many_who_knock_at_once(signer: Signer, auth_sister: FakeSister) -> None:
    async def story(tokens: Tokens) -> list[User]:
        return await asyncio.gather(*(tokens.user(signer.user().token) for _ in range(50)))

    assert len(run(auth_sister.url, story)) == 50
    assert [path for _, path, _ in auth_sister.asked] == [JWKS_PATH]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the clock of keys and revocations forward."""
    ahead = 0.0
    real = time.monotonic

    def advance(seconds: float) -> None:
        nonlocal ahead
        ahead += seconds

    for module in (rooms, revocation):
        other_time(monkeypatch, module, monotonic=lambda: real() + ahead)
    return advance


def fetches(auth: FakeSister) -> int:
    return [path for _, path, _ in auth.asked].count(JWKS_PATH)


@pytest.mark.unit
def test_an_unknown_key_is_looked_up_at_most_once_in_thirty_seconds(
    signer: Signer, auth_sister: FakeSister, clock: Callable[[float], None]
) -> None:
    unknown = [signer.sign(good_claims(), kid=f"k{number}") for number in range(30)]

    async def story(tokens: Tokens) -> list[int]:
        await tokens.user(signer.user().token)
        counts = []
        for _ in range(2):
            clock(31)
            results = await asyncio.gather(*(tokens.user(token) for token in unknown), return_exceptions=True)
            assert all(isinstance(result, Unauthorized) for result in results)
            counts.append(fetches(auth_sister))
        return counts

    assert run(auth_sister.url, story) == [2, 3]


@pytest.mark.unit
def test_a_new_key_is_believed_once_it_is_published(
    signer: Signer, auth_sister: FakeSister, clock: Callable[[float], None]
) -> None:
    fresh = Signer()
    token = fresh.sign(good_claims(), kid="next")

    async def story(tokens: Tokens) -> User:
        await tokens.user(signer.user().token)
        with pytest.raises(Unauthorized):
            await tokens.user(token)
        publish(auth_sister, {KID: signer, "next": fresh})
        clock(31)
        return await tokens.user(token)

    assert isinstance(run(auth_sister.url, story), User)


def publish(auth: FakeSister, signers: dict[str, Signer]) -> None:
    keys = [
        jwt.algorithms.OKPAlgorithm.to_jwk(signer.key.public_key(), as_dict=True) | {"kid": kid, "alg": "EdDSA"}
        for kid, signer in signers.items()
    ]
    auth.answer("GET", JWKS_PATH, lambda *_: (200, {"keys": keys}))


@pytest.mark.unit
def test_a_key_that_is_withdrawn_takes_its_tokens_along_within_a_minute(
    signer: Signer, auth_sister: FakeSister, clock: Callable[[float], None]
) -> None:
    token = signer.user().token

    async def story(tokens: Tokens) -> None:
        await tokens.user(token)
        publish(auth_sister, {"next": Signer()})
        clock(61)
        with pytest.raises(Unauthorized):
            await tokens.user(token)

    run(auth_sister.url, story)


@pytest.mark.unit
@pytest.mark.parametrize(
    "answer",
    [
        (500, {}),
        (404, {}),
        (200, None),
        (200, []),
        (200, {}),
        (200, {"keys": None}),
        (200, {"keys": [5]}),
        (200, {"keys": [{"kid": "x"}]}),
        (200, {"keys": [{"kid": "x", "kty": "OKP", "crv": "Ed25519", "x": "AA"}]}),
    ],
)
def test_stale_keys_serve_while_auth_is_down_for_a_day_at_most(
    signer: Signer, auth_sister: FakeSister, clock: Callable[[float], None], answer: tuple[int, Any]
) -> None:
    async def story(tokens: Tokens) -> None:
        await tokens.user(signer.user().token)
        auth_sister.answer("GET", JWKS_PATH, lambda *_: answer)
        for hours in (1, 10, 12):
            clock(hours * 3600)
            assert await tokens.user(signer.user().token)
        clock(2 * 3600)
        with pytest.raises(Unavailable):
            await tokens.user(signer.user().token)

    run(auth_sister.url, story)


@pytest.mark.unit
def test_without_any_keys_nothing_can_be_said(signer: Signer, auth_sister: FakeSister) -> None:
    auth_sister.answer("GET", JWKS_PATH, lambda *_: (503, {}))
    assert outcome(auth_sister.url, signer.user().token) == ["auth_unavailable"]
    assert outcome("http://127.0.0.1:1", signer.user().token) == ["auth_unavailable"]


@pytest.mark.unit
def test_keys_can_be_had_before_the_first_request(signer: Signer, auth_sister: FakeSister) -> None:
    async def story() -> None:
        auth = AsyncSister("auth", auth_sister.url, Badge("toys"), timeout_s=1)
        keys = Keys(auth)
        await keys.warm()
        auth_sister.answer("GET", JWKS_PATH, lambda *_: (503, {}))
        assert await keys.key(KID)
        await auth.close()

    asyncio.run(story())


def with_redis(url: str, story: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    async def begin() -> Any:
        async with Redis.from_url(url, socket_timeout=2) as redis:
            await redis.flushall()
            return await story(redis)

    return asyncio.run(begin())


def test_a_session_that_redis_calls_ended_is_refused(redis_url: str, signer: Signer, auth_sister: FakeSister) -> None:
    one, other = signer.user(), signer.user()

    async def story(redis: Any) -> None:
        await redis.set(EPOCH, "1")
        auth = AsyncSister("auth", auth_sister.url, Badge("toys"), timeout_s=1)
        tokens = Tokens(Keys(auth), Revocations(redis, auth))
        assert await tokens.user(one.token)
        await redis.set(revoked_key(one.session), "1", ex=600)
        with pytest.raises(Unauthorized) as refused:
            await tokens.user(one.token)
        assert refused.value.problem_code == "session_ended"
        assert await tokens.user(other.token)
        await auth.close()

    with_redis(redis_url, story)
    assert not [path for _, path, _ in auth_sister.asked if path.startswith("/internal/")], "redis could tell"


def test_a_redis_that_was_emptied_proves_nothing_and_auth_is_asked(
    redis_url: str, signer: Signer, auth_sister: FakeSister
) -> None:
    one, other = signer.user(), signer.user()
    signer.ended.add(str(one.session))

    async def story(redis: Any) -> list[User | str]:
        auth = AsyncSister("auth", auth_sister.url, Badge("toys"), timeout_s=1)
        tokens = Tokens(Keys(auth), Revocations(redis, auth))
        with pytest.raises(Unauthorized):
            await tokens.user(one.token)
        for _ in range(5):
            assert await tokens.user(other.token)
        await auth.close()
        return []

    with_redis(redis_url, story)
    asked = [path for _, path, _ in auth_sister.asked if path.startswith("/internal/")]
    assert asked == [f"/internal/sessions/{user.session}/" for user in (one, other)], "an answer holds for 5 s"


@pytest.mark.unit
def test_while_redis_is_away_auth_is_asked_again_every_five_seconds(
    signer: Signer, auth_sister: FakeSister, clock: Callable[[float], None]
) -> None:
    user, memory = signer.user(), Memory()
    memory.away = True

    async def story(tokens: Tokens) -> None:
        assert await tokens.user(user.token)
        signer.ended.add(str(user.session))
        assert await tokens.user(user.token)
        clock(revocation.ASKED_FOR_S + 0.1)
        with pytest.raises(Unauthorized):
            await tokens.user(user.token)

    run(auth_sister.url, story, memory)


@pytest.mark.unit
@pytest.mark.parametrize("answer", [(500, {}), (404, {}), (200, {}), (200, []), (200, None), (200, {"active": "yes"})])
def test_when_neither_can_tell_the_answer_is_503(signer: Signer, auth_sister: FakeSister, answer: Any) -> None:
    auth_sister.answer("GET", "/internal/sessions/", lambda *_: answer)
    memory = Memory()
    memory.away = True
    assert outcome(auth_sister.url, signer.user().token, redis=memory) == ["auth_unavailable"]
    assert outcome(auth_sister.url, signer.user().token, redis=Memory()) == ["auth_unavailable"]


@pytest.mark.unit
def test_an_ended_session_stays_ended_whatever_else_redis_has_lost(signer: Signer, auth_sister: FakeSister) -> None:
    user = signer.user()
    memory = Memory(**{revoked_key(user.session): "1"})
    assert outcome(auth_sister.url, user.token, redis=memory) == ["session_ended"]


@pytest.mark.unit
def test_those_who_knock_at_once_share_a_question_and_each_gets_the_own_answer(
    signer: Signer, auth_sister: FakeSister
) -> None:
    users = [signer.user() for _ in range(60)]
    over = users[::3]
    memory = Memory(**{EPOCH: "1"} | {revoked_key(user.session): "1" for user in over})

    async def story(tokens: Tokens) -> list[Any]:
        await tokens.user(users[1].token)  # the keys are there from now on
        memory.asked = 0
        return await asyncio.gather(*(tokens.user(user.token) for user in users), return_exceptions=True)

    answers = run(auth_sister.url, story, memory)
    for user, answer in zip(users, answers, strict=True):
        assert isinstance(answer, Unauthorized) if user in over else answer.session == user.session
    assert memory.asked <= 4


@pytest.mark.unit
def test_ids_in_a_user_are_ids(signer: Signer, auth_sister: FakeSister) -> None:
    user = outcome(auth_sister.url, signer.user().token)[0]
    assert isinstance(user, User)
    assert isinstance(user.id, UUID)
    assert isinstance(user.session, UUID)
