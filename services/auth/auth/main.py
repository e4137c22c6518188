"""Builds auth's web application; the only place where its parts are put together."""

from functools import partial

from fastapi import FastAPI
from redis import Redis

from auth import api, inside, tidying
from auth.challenges import Challenges
from auth.grants import Grants
from auth.passwords import HashingPool, Passwords
from auth.revocations import PASS_S, REDIS_S, Keeper, OwnSessions, RevokedSet
from auth.settings import AuthSettings
from auth.signing import RELOAD_S, OwnKeys, Signing
from common.app import Service
from common.running import Every
from common.tokens import Tokens


def build(settings: AuthSettings | None = None) -> FastAPI:
    """The web application with its relay, its keys and its passes over the revocations."""
    s = settings or AuthSettings()
    service = Service("auth", s)
    sessions = service.sessions
    redis = Redis.from_url(s.redis_url, socket_connect_timeout=REDIS_S, socket_timeout=REDIS_S)
    signing = Signing(sessions, s.secret_key, s.access_ttl_s)
    revoked = RevokedSet(redis, s.access_ttl_s)
    hashing = HashingPool(s.hash_threads, s.hash_queue)
    parts = {
        "signing": signing,
        "revoked": revoked,
        "challenges": Challenges(s.secret_key),
        "grants": Grants(signing, s.secret_key, s.access_ttl_s, s.refresh_days, s.session_days),
        "passwords": Passwords(s.argon2_time_cost, s.argon2_memory_kib, s.argon2_parallelism),
        "hashing": hashing,
        "lists_url": f"{s.public_url}/api/auth/",
        "tokens": Tokens(OwnKeys(signing), OwnSessions(sessions)),
    }
    service.says()
    service.runs(
        Every("signing keys", RELOAD_S, signing.reload),
        Every("revocations", PASS_S, Keeper(sessions, revoked).keep),
        Every("tidy", 60, partial(tidying.tidy, sessions)),
    )
    service.closes(hashing.close, redis.close)
    return service.app([service.operations("/api/auth"), api.router, inside.router], state=parts)
