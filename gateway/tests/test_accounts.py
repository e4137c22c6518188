"""Accounts through the gateway and the mailbox: codes, links, sessions and rights, as people use them."""

import re
from collections.abc import Callable

import httpx
import pytest

from common.testing.waiting import eventually

from .people import PASSWORD, Person, Visitor, mails_to, ok, problem, sign_in
from .site import PATIENCE_S, Site
from .test_sessions import PERSONAL

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

Newcomer = Callable[[], Person]


def text_of(site: Site, email: str, subject: str) -> str:
    """The plain text of the one mail with this subject, once it is there."""

    def found() -> str:
        mails = [mail for mail in mails_to(site, email) if mail.subject == subject]
        assert len(mails) == 1, f"{len(mails)} mails {subject!r}"
        return mails[0].text

    return eventually(found, PATIENCE_S)


def link_in(text: str, page: str) -> str:
    """The token of the link to one of the account pages."""
    links = re.findall(rf"https?://\S+/account/{page}/#token=(\S+)", text)
    assert len(links) == 1, text
    return links[0]


def session_of(http: httpx.Client, answer: httpx.Response) -> Person:
    said = ok(answer)
    headers = {"Authorization": f"Bearer {said['access_token']}"}
    user = said["user"]
    return Person(http, headers, user["id"], user["username"], user["email"], said["access_token"])


def test_a_mailed_code_opens_every_service_and_no_admins_door(
    site: Site, newcomer: Newcomer, stranger: Visitor, admin: Person
) -> None:
    eva = newcomer()
    ok(stranger.post("/api/auth/request-otp/", {"email": eva.email}))
    codes = re.findall(r"\b[0-9]{6}\b", text_of(site, eva.email, "Your sign-in code"))
    assert len(codes) == 1
    body = {"email": eva.email, "otp": codes[0]}
    by_code = session_of(eva.http, stranger.post("/api/auth/verify-otp/", body))
    for path in PERSONAL:
        ok(by_code.get(path))
    problem(stranger.post("/api/auth/verify-otp/", body), 400, "invalid_otp")
    ok(admin.patch(f"/api/auth/users/{eva.id}/", {"role": "admin"}))
    problem(by_code.get("/api/auth/me/"), 401, "session_ended")


def test_nobodys_address_is_answered_alike_and_gets_no_mail(site: Site, newcomer: Newcomer, stranger: Visitor) -> None:
    eva = newcomer()
    nobody = f"nobody-{eva.email}"
    for path, status in (("request-otp", 200), ("password-reset", 202)):
        answers = [stranger.post(f"/api/auth/{path}/", {"email": email}) for email in (nobody, eva.email)]
        assert ok(answers[0], status) == ok(answers[1], status)
    text_of(site, eva.email, "Set a new password")
    assert mails_to(site, nobody) == []


def test_a_forgotten_password_is_set_anew_by_a_mailed_link(
    site: Site, newcomer: Newcomer, stranger: Visitor, http: httpx.Client
) -> None:
    eva = newcomer()
    ok(stranger.post("/api/auth/password-reset/", {"email": eva.email}), 202)
    token = link_in(text_of(site, eva.email, "Set a new password"), "reset-password")
    assert stranger.get("/account/reset-password/").headers["content-type"].startswith("text/html")
    ok(stranger.post("/api/auth/password-reset/confirm/", {"token": token, "new_password": "pears on the wall"}))
    for path in PERSONAL:
        problem(eva.get(path), 401, "session_ended")
    ok(sign_in(http, eva.username, "pears on the wall").get("/api/auth/me/"))
    text_of(site, eva.email, "Your password was changed")


def test_the_welcome_holds_the_check_of_the_address(site: Site, newcomer: Newcomer, stranger: Visitor) -> None:
    eva = newcomer()
    token = link_in(text_of(site, eva.email, "Welcome to Stoa"), "verify-email")
    assert ok(eva.get("/api/auth/me/"))["email_verified"] is False
    ok(stranger.post("/api/auth/verify-email/", {"token": token}))
    assert ok(eva.get("/api/auth/me/"))["email_verified"] is True


def test_a_new_address_gets_the_mails_from_then_on(site: Site, newcomer: Newcomer) -> None:
    eva = newcomer()
    new = f"new-{eva.email}"
    ok(eva.patch("/api/auth/me/", {"email": new, "current_password": PASSWORD}))
    link_in(text_of(site, new, "Check your new address"), "verify-email")
    assert new in text_of(site, eva.email, "Your address was changed")


def test_the_log_of_mails_shows_that_a_code_was_sent_and_nothing_of_it(
    site: Site, newcomer: Newcomer, stranger: Visitor
) -> None:
    eva = newcomer()
    ok(stranger.post("/api/auth/request-otp/", {"email": eva.email}))
    code = re.findall(r"\b[0-9]{6}\b", text_of(site, eva.email, "Your sign-in code"))[0]

    def listed() -> str:
        answer = eva.get("/api/notifications/", params={"type": "one_time_code"})
        assert [mail["status"] for mail in ok(answer)["results"]] == ["sent"]
        return answer.text

    assert code not in eventually(listed, PATIENCE_S)
    written = "".join(site.written().values())
    assert f'"{code}"' not in written
    assert f" {code} " not in written


def test_a_session_that_is_ended_from_another_one_is_over_in_every_service(
    newcomer: Newcomer, http: httpx.Client
) -> None:
    eva = newcomer()
    other = sign_in(http, eva.username)
    for path in PERSONAL:
        ok(other.get(path))
    number = next(one["id"] for one in ok(eva.get("/api/auth/sessions/"))["results"] if not one["current"])
    assert eva.delete(f"/api/auth/sessions/{number}/").status_code == 204
    for path in PERSONAL:
        problem(other.get(path), 401, "session_ended")
        ok(eva.get(path))


def test_rights_that_are_given_and_taken_hold_in_every_service_from_the_next_request_on(
    newcomer: Newcomer, admin: Person, http: httpx.Client
) -> None:
    eva = newcomer()
    problem(eva.get("/api/products/bulk-upload/"), 403)
    ok(admin.patch(f"/api/auth/users/{eva.id}/", {"role": "admin"}))
    for path in PERSONAL:
        problem(eva.get(path), 401, "session_ended")
    promoted = sign_in(http, eva.username)
    ok(promoted.get("/api/products/bulk-upload/"))
    ok(promoted.get("/api/auth/users/"))
    ok(admin.patch(f"/api/auth/users/{eva.id}/", {"is_active": False}))
    problem(promoted.get("/api/products/bulk-upload/"), 401, "session_ended")
    problem(http.post("/api/auth/login/", json={"username": eva.username, "password": PASSWORD}), 403)
