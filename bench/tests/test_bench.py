"""A run of the bench: what is chosen, about how long it takes, how it goes on after a failure, and how it ends."""

import os
import signal
import threading
import time
from dataclasses import replace

import pytest
from rich.console import Console

import figures
from measuring.ending import sentences, undisturbed, within
from measuring.plan import PLAN, Measurement, Pace, Stage, chosen, keys, measurements
from measuring.results import Bars, Figure, NoFigure, NoLoad
from measuring.running import parts, run
from measuring.telling import Left, Telling, about
from measuring.tools import Tool, require
from measuring.writing import Page

pytestmark = pytest.mark.unit

FIGURE = Figure("P1", "reads", ("read",), (), Bars("share", (), {}))


def names(stages):
    return [measurement.name for measurement in measurements(stages)]


def test_the_document_has_a_place_for_every_figure():
    Page(figures.DOCUMENT).check(keys())


def test_every_figure_of_the_design_is_measured_once():
    assert len(set(keys())) == len(keys())
    assert {key.split()[0] for key in keys()} == {f"P{number}" for number in range(1, 10)}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ([""], names(PLAN)),
        (["P3"], ["orders"]),
        (["p5", " P2 "], ["sockets", "orders"]),
        (["P9"], ["lists", "lists of orders"]),
        (["P9 orders"], ["lists of orders"]),
    ],
    ids=["all", "one", "two", "both of a number", "one of a number"],
)
def test_what_is_wanted_is_chosen_in_the_order_of_the_plan(wanted, found):
    assert names(chosen(wanted)) == found


def test_a_figure_that_nothing_measures_is_refused():
    with pytest.raises(NoFigure, match=r"There is no figure P99; known are P1, "):
        chosen(["P1", "P99"])


def test_each_part_of_a_run_has_a_name_of_its_own():
    for quick in (True, False):
        assert len(parts(PLAN, quick=quick)) == len(names(PLAN)) + sum(stage.stack for stage in PLAN)


def test_what_is_left_is_what_has_not_been_done():
    left = Left({"a": 10, "b": 20})
    assert left.seconds(100) == 30
    left.begin("a", 100)
    assert left.seconds(104) == 26
    assert left.seconds(150) == 20, "a part that takes longer is about to end"
    left.begin("b", 150)
    assert left.seconds(155) == 15


@pytest.mark.parametrize(("seconds", "text"), [(59, "less than a minute"), (60, "about 1 min"), (3000, "about 50 min")])
def test_time_is_told_in_minutes(seconds, text):
    assert about(seconds) == text


def stage(*measures):
    """A stage without a stack."""
    pace = Pace(None, 0)
    made = (Measurement(f"part {n}", (f"P{n}",), each, pace, pace) for n, each in enumerate(measures, 1))
    return Stage(False, tuple(made))


def outcome(*stages):
    """What was found, and the sentences of what was not."""
    found, failed = [], []
    with Telling(Console(quiet=True), parts(stages, quick=True)) as telling:
        run(stages, telling, found.append, failed.append, quick=True)
    return found, failed


def refuses(error):
    def measure(_stack, _step, _pace):
        raise error

    return measure


def finds(_stack, _step, _pace):
    return [FIGURE]


def test_what_fails_is_told_and_the_others_are_measured():
    found, failed = outcome(stage(refuses(NoLoad("Nothing came.")), finds), stage(finds))
    assert found == [FIGURE, FIGURE]
    assert failed == ["P1: Nothing came."]


def test_what_nobody_foresaw_is_told_too(capsys):
    _, failed = outcome(stage(refuses(ZeroDivisionError("division by zero"))))
    assert failed == ["P1: ZeroDivisionError: division by zero"]
    assert "Traceback" in capsys.readouterr().err


def test_an_interruption_ends_all_of_it():
    with pytest.raises(KeyboardInterrupt):
        outcome(stage(refuses(KeyboardInterrupt()), finds))


def test_a_measurement_is_told_its_pace_and_tells_its_steps():
    told = []

    def measure(stack, step, pace):
        step("half of it")
        told.append((stack, pace))
        return []

    (only,) = stage(measure).measurements
    outcome(Stage(False, (replace(only, quick=Pace("quick", 1), whole=Pace("whole", 100)),)))
    assert told == [(None, "quick")]


def test_what_takes_too_long_is_given_up():
    handler = signal.getsignal(signal.SIGALRM)
    with pytest.raises(NoLoad, match=r"P1 has not ended within 0 s\."), within(0.05, "P1"):
        threading.Event().wait(30)
    with within(30, "P1"):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == handler


@pytest.fixture
def handlers():
    """Whoever handles signals now does so afterwards."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_each_way_to_ask_for_the_end_undoes_what_was_begun(number, capsys):
    undone = []

    def interrupted():
        with sentences():
            try:
                os.kill(os.getpid(), number)
                time.sleep(30)
            finally:
                with undisturbed():
                    os.kill(os.getpid(), number)  # an impatient second one
                    undone.append(True)

    with pytest.raises(SystemExit) as end:
        interrupted()
    assert (end.value.code, capsys.readouterr().err) == (130, "Interrupted.\n")
    assert undone == [True]


@pytest.mark.usefixtures("handlers")
def test_who_asks_for_the_end_while_something_is_undone_gets_it_afterwards():
    undone = []

    def undo():
        with undisturbed():
            os.kill(os.getpid(), signal.SIGINT)
            undone.append(True)

    with pytest.raises(KeyboardInterrupt):
        undo()
    assert undone == [True]


@pytest.mark.usefixtures("handlers")
def test_what_is_missing_is_said_in_one_go_before_anything_starts(capsys):
    tools = [Tool(("no-b",), "Load is from", "b"), Tool(("no-a",), "Clients need", "a"), Tool(("sh",), "", "")]
    with pytest.raises(SystemExit) as end, sentences():
        require(tools)
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "Clients need no-a; `apt-get install a` brings it. Load is from no-b; `apt-get install b` brings it.\n"
    )
