"""Administrators hear how an upload comes along, to its end."""

from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from common.database import Sessions
from common.events.catalog import AboutImport, ImportFinished, ImportProgress
from common.ids import new_id
from common.testing.broker import Broker
from common.testing.signing import Signer
from common.testing.waiting import eventually
from realtime import imports
from realtime.imports import note_imports, read_progress
from realtime.main import build
from realtime.settings import RealtimeSettings

Message = dict[str, Any]
FINISHED = {"created": 5, "updated": 3, "unchanged": 1, "failed": 1, "duplicates": 0}

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def task() -> UUID:
    return new_id()


def _counts(**more: Any) -> dict[str, Any]:
    return {"total": 10, **dict.fromkeys(FINISHED, 0), **more}


def _progress(task: UUID, version: int, processed: int, **more: Any) -> ImportProgress:
    given = {"status": "running", **_counts(created=processed), **more}
    return ImportProgress(task_id=task, version=version, processed=processed, **given)


def _finished(task: UUID, version: int, **more: Any) -> ImportFinished:
    given = {"status": "finished", "processed": 10, **_counts(**FINISHED), **more}
    return ImportFinished(task_id=task, version=version, started_by=new_id(), **given)


def _listen(client: TestClient, signer: Signer, task: object) -> WebSocketTestSession:
    return client.websocket_connect(f"/ws/imports/{task}/", headers=signer.admin().headers)


def _until(socket: WebSocketTestSession, **wanted: Any) -> Message:
    """The first message that says this."""
    while True:
        said: Message = socket.receive_json()
        assert (said["type"], said.keys() >= wanted.keys() or said["status"] == "unknown") == ("import_progress", True)
        if said.items() >= wanted.items():
            return said


def _code(socket: WebSocketTestSession) -> int:
    with pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_json()
    return closed.value.code


@pytest.mark.parametrize("who", ["user", "admin by code"])
def test_it_is_for_administrators(client: TestClient, signer: Signer, task: UUID, who: str) -> None:
    user = signer.user() if who == "user" else signer.user("root", "admin", ("otp",))
    with client.websocket_connect(f"/ws/imports/{task}/", headers=user.headers) as socket:
        assert _code(socket) == 4403


@pytest.mark.parametrize("task_id", ["7", "x", "%00", "0" * 100])
def test_what_cannot_be_an_upload_is_not_there(client: TestClient, signer: Signer, task_id: str) -> None:
    with _listen(client, signer, task_id) as socket:
        assert _code(socket) == 4404


def test_it_is_told_to_its_end(client: TestClient, broker: Broker, signer: Signer, task: UUID) -> None:
    with _listen(client, signer, task) as socket:
        assert socket.receive_json() == {"type": "import_progress", "task_id": str(task), "status": "unknown"}
        broker.tell(_progress(task, 1, 4))
        told = _until(socket, processed=4)
        assert told == {"type": "import_progress", "task_id": str(task), "status": "running", "processed": 4} | (
            _counts(created=4)
        )
        broker.tell(_finished(task, 2))
        assert _until(socket, status="finished")["updated"] == 3
        assert _code(socket) == 1000


def test_who_comes_late_is_told_how_it_stands(
    client: TestClient, broker: Broker, signer: Signer, task: UUID, sessions: Sessions
) -> None:
    broker.tell(_progress(task, 1, 7))
    eventually(lambda: read_progress(sessions, [task]) != [None])
    with _listen(client, signer, task) as socket:
        assert socket.receive_json()["processed"] == 7
    broker.tell(_finished(task, 2))
    eventually(lambda: read_progress(sessions, [task])[0].status == "finished")  # type: ignore[union-attr]
    with _listen(client, signer, task) as socket:
        assert socket.receive_json()["status"] == "finished"
        assert _code(socket) == 1000


def test_what_nobody_has_heard_of_is_waited_for_a_while(
    client: TestClient, signer: Signer, task: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "UNKNOWN_S", 0.1)
    with _listen(client, signer, task) as socket:
        assert socket.receive_json()["status"] == "unknown"
        assert _code(socket) == 4404


def test_another_process_tells_the_same(
    client: TestClient, settings: RealtimeSettings, broker: Broker, signer: Signer, task: UUID
) -> None:
    with (
        TestClient(build(settings)) as other,
        _listen(client, signer, task) as one,
        _listen(other, signer, task) as two,
    ):
        for version in range(1, 4):
            broker.tell(_progress(task, version, version))
            assert _until(one, processed=version) == _until(two, processed=version)


def test_a_listener_may_send_a_newer_token_and_ping(client: TestClient, signer: Signer, task: UUID) -> None:
    admin = signer.admin()
    with client.websocket_connect(f"/ws/imports/{task}/", headers=admin.headers) as socket:
        assert socket.receive_json()["status"] == "unknown"
        socket.send_json({"action": "auth", "token": admin.token})
        assert socket.receive_json() == {"type": "signed_in"}
        socket.send_json({"action": "ping"})
        assert socket.receive_json() == {"type": "pong"}
        socket.send_json({"action": "resume", "stream": "x", "last_seq": 1})
        assert socket.receive_json()["code"] == "unknown_action"


def _note(sessions: Sessions, *events: AboutImport) -> None:
    with sessions.begin() as session:
        note_imports(session, events)


def test_the_newest_word_holds_whatever_comes_after_it(sessions: Sessions, task: UUID) -> None:
    _note(sessions, _progress(task, 2, 6), _progress(task, 1, 3))
    _note(sessions, _progress(task, 1, 3))
    (known,) = read_progress(sessions, [task])
    assert known is not None
    assert (known.version, known.processed, known.created) == (2, 6, 6)
    _note(sessions, _finished(task, 3, status="failed"), _progress(task, 2, 6))
    _note(sessions, _progress(task, 4, 1))
    (known,) = read_progress(sessions, [task])
    assert known is not None
    assert (known.status, known.processed) == ("running", 1)


def test_an_end_that_does_not_say_how_many_rows_were_processed_counts_them(sessions: Sessions, task: UUID) -> None:
    _note(sessions, _finished(task, 1, processed=None))
    (known,) = read_progress(sessions, [task])
    assert known is not None
    assert known.processed == 10
