"""The forgers' bench: Authorization headers that no service may take for a good one (RFC 8725; OWASP ASVS 9)."""

import hmac
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from common.tokens import REQUIRED, TYPE

from .callers import Caller, Claims, Headers, Mint, bearing
from .jws import Sign, jws, raw, text

LONG_AGO = 1_600_000_000
FAR_AHEAD = 4_000_000_000


def forged(mint: Mint, admin: Caller, user: Caller) -> dict[str, Headers]:
    """Headers that must not pass, by what is wrong with them; what is not named is as an administrator's good token."""
    tokens = {
        **_other_algorithms(mint, admin.claims),
        **_other_keys(mint, admin.claims),
        **_other_claims(mint, admin.claims),
        **_other_headers(mint, admin.claims),
        **_other_forms(admin.token),
        "role changed, signature kept": _tampered(user.token, role="admin"),
        "another user's id, signature kept": _tampered(user.token, sub=str(admin.id)),
        "refresh token": user.refresh_token,
    }
    return {name: bearing(token) for name, token in tokens.items()} | _other_showings(admin.token)


def _hmac(secret: bytes) -> Sign:
    return lambda signed: hmac.digest(secret, signed, "sha256")


def _other_algorithms(mint: Mint, claims: Claims) -> dict[str, str]:
    """None at all, and the public key as if it were a shared secret."""
    head = {"kid": mint.kid, "typ": TYPE}
    public = mint.key.public_key()
    x = public.public_bytes_raw()
    secrets = {
        "raw": x,
        "PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "base64": text(x).encode(),
        "JWK": json.dumps({"kty": "OKP", "crv": "Ed25519", "x": text(x)}).encode(),
        "empty": b"",
    }
    unsigned = {
        f"alg {alg!r}": jws(head | {"alg": alg}, claims, lambda _: b"") for alg in ("none", "None", "NONE", "nOnE", "")
    }
    shared = {
        f"HS256 with the public key, {form}": jws(head | {"alg": "HS256"}, claims, _hmac(secret))
        for form, secret in secrets.items()
    }
    others = {
        f"alg {alg!r} over our signature": jws(head | {"alg": alg}, claims, mint.key.sign)
        for alg in ("none", "HS256", "eddsa", "Ed448", None, 7, ["EdDSA"])
    }
    return {**unsigned, **shared, **others}


def _other_keys(mint: Mint, claims: Claims) -> dict[str, str]:
    """Keys that are not ours, and names of keys that lead elsewhere."""
    foreign = Ed25519PrivateKey.generate()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": text(foreign.public_key().public_bytes_raw()), "kid": mint.kid}
    head = {"alg": "EdDSA", "kid": mint.kid, "typ": TYPE}
    pointing = {
        "jku": "https://keys.example/jwks.json",
        "x5u": "https://keys.example/x5.pem",
        "jwk": jwk,
        "x5c": ["AA"],
    }
    kids: dict[str, Any] = {
        "unknown": "another-key",
        "a path": "../../../../dev/null",
        "SQL": "' UNION SELECT 'AAAA' -- ",
        "a URL": "https://keys.example/key",
        "10 kB": "k" * 10_240,
        "nothing": None,
        "a list": [mint.kid],
        "an object": {"kid": mint.kid},
        "empty": "",
        "NUL": f"{mint.kid}\0",
    }
    return {
        "foreign key under our kid": jws(head, claims, foreign.sign),
        "RS256 under our kid": jws(head | {"alg": "RS256"}, claims, _rsa()),
        "ES256 under our kid": jws(head | {"alg": "ES256"}, claims, _ecdsa()),
        **{f"foreign key behind {name}": jws(head | {name: at}, claims, foreign.sign) for name, at in pointing.items()},
        **{f"kid: {name}, foreign key": jws(head | {"kid": kid}, claims, foreign.sign) for name, kid in kids.items()},
        **{f"kid: {name}, our key": jws(head | {"kid": kid}, claims, mint.key.sign) for name, kid in kids.items()},
        "kid: a path, an empty secret": jws(head | {"alg": "HS256", "kid": "/dev/null"}, claims, _hmac(b"")),
    }


def _rsa() -> Sign:
    key = rsa.generate_private_key(65537, 2048)
    return lambda signed: key.sign(signed, PKCS1v15(), SHA256())


def _ecdsa() -> Sign:
    key = ec.generate_private_key(ec.SECP256R1())

    def sign(signed: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    return sign


def _other_claims(mint: Mint, claims: Claims) -> dict[str, str]:
    """Signed by our key, so that only the claims stand against them."""
    without = {
        f"no {name}": mint.sign({key: value for key, value in claims.items() if key != name}) for name in REQUIRED
    }
    changed: dict[str, Claims] = {
        "wrong audience": {"aud": "another-shop"},
        "several audiences, not ours": {"aud": ["a", "b"]},
        "empty audience": {"aud": ""},
        "wrong issuer": {"iss": "https://stoa.example"},
        "issuer in a list": {"iss": ["stoa"]},
        "not yet": {"nbf": FAR_AHEAD},
        "issued in the future": {"iat": FAR_AHEAD, "exp": FAR_AHEAD + 600},
        "long over": {"exp": LONG_AGO},
        "exp as text": {"exp": "tomorrow"},
        "exp as nothing": {"exp": None},
        "exp as a list": {"exp": [FAR_AHEAD]},
        "sub that is no id": {"sub": "admin"},
        "sub as a number": {"sub": 1},
        "sid that is no id": {"sid": "1"},
        "sid as nothing": {"sid": None},
        "role in a list": {"role": ["admin"]},
        "amr as text": {"amr": "pwd"},
        "amr as numbers": {"amr": [1]},
        "username as an object": {"username": {}},
    }
    endless = json.dumps(claims | {"exp": 0}).replace('"exp": 0', '"exp": 1e300').encode()
    head = {"alg": "EdDSA", "kid": mint.kid, "typ": TYPE}
    odd = {"exp of 1e300": endless, "claims in a list": b"[]", "claims that are no JSON": b"{", "no claims": b""}
    return {
        **without,
        **{name: mint.sign(claims | change) for name, change in changed.items()},
        **{name: jws(head, payload, mint.key.sign) for name, payload in odd.items()},
    }


def _other_headers(mint: Mint, claims: Claims) -> dict[str, str]:
    """Tokens of our key for another purpose, or that ask to be understood in another way."""
    types = ("JWT", "rt+jwt", "service+jwt", "AT+JWT2", "", None)
    extensions: dict[str, dict[str, Any]] = {
        "crit": {"crit": ["exp"]},
        "crit that is empty": {"crit": []},
        "crit of something unknown": {"crit": ["stoa"], "stoa": True},
        "payload not encoded": {"b64": False, "crit": ["b64"]},
    }
    return {
        **{f"typ {kind!r}": mint.sign(claims, typ=kind) for kind in types},
        **{
            name: jws({"alg": "EdDSA", "kid": mint.kid, "typ": TYPE} | more, claims, mint.key.sign)
            for name, more in extensions.items()
        },
    }


def _other_forms(good: str) -> dict[str, str]:
    """A good token in pieces."""
    header, payload, signature = good.split(".")
    serialised = json.dumps({"payload": payload, "signatures": [{"protected": header, "signature": signature}]})
    return {
        "empty signature": f"{header}.{payload}.",
        "no signature": f"{header}.{payload}",
        "signature cut": good[:-8],
        "signature of zeros": f"{header}.{payload}.{text(bytes(64))}",
        "trailing dot": f"{good}.",
        "leading dot": f".{good}",
        "five parts": f"{good}.{payload}.{signature}",
        "header twice": f"{header}.{header}.{signature}",
        "JSON serialised": serialised,
        "JSON serialised, flat": json.dumps({"protected": header, "payload": payload, "signature": signature}),
        "a space inside": f"{header}.{payload} .{signature}",
        "a tab inside": f"{header}\t.{payload}.{signature}",
        "a comma and another": f"{good}, {good}",
        "in quotes": f'"{good}"',
        "percent encoded": good.replace(".", "%2E"),
        "twice": good + good,
        "a word": "admin",
        "dots": "..",
        "10 kB": "a" * 10_240,
    }


def _tampered(token: str, **claims: Any) -> str:
    header, payload, signature = token.split(".")
    changed = json.loads(raw(payload)) | claims
    return f"{header}.{text(json.dumps(changed).encode())}.{signature}"


def _other_showings(good: str) -> dict[str, Headers]:
    """A good token, shown in a way that is not ours."""
    return {
        "no token": [("Authorization", "Bearer")],
        "Basic": [("Authorization", f"Basic {good}")],
        "no scheme": [("Authorization", good)],
        "two headers": [*bearing(good), *bearing(good)],
        "two headers, the second bad": [*bearing(good), *bearing("x")],
        "an empty header before it": [("Authorization", ""), *bearing(good)],
        "an empty header": [("Authorization", "")],
    }
