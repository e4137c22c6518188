"""The published contracts: the files are what the models say, and nothing that was promised is taken back."""

import json

import pytest

from common.asyncapi import describe
from common.contracts import every_event, find_breaches, schemas
from common.events.hearers import BRIEF, HEARERS
from stoa.preflight import NotNow
from stoa.publishing import FOLDER, publish, published, written

pytestmark = pytest.mark.unit


def test_nothing_that_is_published_was_taken_away_or_changed():
    assert find_breaches(published(), schemas()) == []


def test_the_files_are_what_the_models_say():
    assert published() == schemas(), "`make contracts` writes them again"
    assert (FOLDER / "asyncapi.json").read_text() == written(describe())


def test_they_are_written_again_and_again_alike(tmp_path):
    assert publish(tmp_path) == publish(tmp_path)
    assert published(tmp_path) == schemas()


def test_what_would_break_a_hearer_is_not_written(tmp_path):
    publish(tmp_path)
    file = tmp_path / "events" / "order.placed.json"
    promised = json.loads(file.read_text())
    promised["properties"]["gift"] = {"type": "boolean"}
    file.write_text(written(promised))
    with pytest.raises(NotNow) as refused:
        publish(tmp_path)
    assert refused.value.tail == "order.placed.gift is gone"
    assert json.loads(file.read_text()) == promised


def test_the_document_tells_who_says_and_who_hears_what():
    document = describe()
    told = document["operations"]
    said = {name.partition(".says.")[2] for name, one in told.items() if one["action"] == "send"}
    assert said == set(document["channels"]) == every_event().keys()
    for hearers in (HEARERS, BRIEF):
        for service, names in hearers.items():
            assert {told[f"{service}.hears.{name}"]["action"] for name in names} == {"receive"}
    assert len([one for one in told.values() if one["action"] == "receive"]) == sum(
        len(names) for hearers in (HEARERS, BRIEF) for names in hearers.values()
    )
    assert told["notifier.hears.user.otp_requested"]["description"] == "On the queue `notifier.events.brief`."
