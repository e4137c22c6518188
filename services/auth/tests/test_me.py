"""Asking who one is."""

import httpx
import pytest
from sqlalchemy import delete

from auth.models import User
from common.database import Sessions
from common.testing.signing import Signer

from .conftest import Person

PATH = "/api/auth/me/"


def test_a_stranger_is_asked_to_sign_in(client: httpx.Client) -> None:
    answer = client.get(PATH)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["code"] == "not_authenticated"


@pytest.mark.parametrize("sent", ["Bearer", "Basic YTpi", "Bearer x", "Bearer a.b.c", f"Bearer {'x' * 5000}"])
def test_a_bad_token_is_refused(client: httpx.Client, sent: str) -> None:
    answer = client.get(PATH, headers={"Authorization": sent})
    assert answer.status_code == 401
    assert answer.json()["code"] == "invalid_token"


def test_a_token_of_another_signer_is_refused(client: httpx.Client, signer: Signer) -> None:
    answer = client.get(PATH, headers=signer.user().headers)
    assert answer.status_code == 401
    assert answer.json()["code"] == "invalid_token"


def test_a_changed_token_is_refused(client: httpx.Client, ada: Person) -> None:
    head, claims, signature = ada.access_token.split(".")
    forged = f"{head}.{claims}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    assert client.get(PATH, headers={"Authorization": f"Bearer {forged}"}).status_code == 401


def test_a_token_of_an_account_that_is_gone_is_refused(client: httpx.Client, ada: Person, sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.execute(delete(User).where(User.username == ada.form["username"]))
    assert client.get(PATH, headers=ada.headers).status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Token"])
def test_someone_signed_in_sees_themselves(client: httpx.Client, ada: Person, scheme: str) -> None:
    answer = client.get(PATH, headers={"Authorization": f"{scheme} {ada.access_token}"})
    assert answer.status_code == 200
    assert answer.json() == ada.user
