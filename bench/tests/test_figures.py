"""Each figure's table and verdict, from numbers that might have been measured."""

import os
import signal
import threading

import pytest

from common.clock import now
from common.testing.waiting import eventually
from measuring import cold, events, idling, order_figures, reads, uploads
from measuring.loading import Load
from measuring.machine import busy, measured_on
from measuring.results import NoLoad

pytestmark = pytest.mark.unit


def loads(*rates):
    """So many requests a second in each round."""
    return [Load(rate, 1000 / rate, 2000 / rate, 0) for rate in rates]


def outcomes(figure):
    return [(verdict.found, verdict.reached) for verdict in figure.verdicts]


def test_reads_are_told_as_shares_of_hello_by_medians():
    figure = reads.figure_of({reads.HELLO: loads(90, 100, 9999), "list": loads(120, 1, 180), "page": loads(49, 49, 49)})
    assert [row[:3] for row in figure.rows] == [
        ("hello", "100", "1.00"),
        ("list", "120", "1.20"),
        ("page", "49", "0.49"),
    ]
    assert outcomes(figure) == [("1.20", True), ("0.49", False)]


def test_where_nothing_came_of_the_bound_there_is_no_figure():
    with pytest.raises(NoLoad, match="Nothing came"):
        reads.figure_of({reads.HELLO: [Load(0, 0, 0, 0)], "list": loads(1)})


def test_orders_are_told_as_shares_of_the_bound_and_of_each_other():
    f = order_figures
    ours = {f.MANY: loads(500), f.ONE: loads(450), f.ALONE: loads(100), f.PLAIN: loads(60)}
    placing, hot = f.reached(ours, {f.C_MANY: [1000.0], f.C_ONE: [400.0]}, 12_345)
    assert [row[1:3] for row in placing.rows] == [("1,000", "1.00"), ("500", "0.50"), ("100", "0.10"), ("60", "0.06")]
    assert outcomes(placing) == [("0.50", True), ("8.33", False)]
    assert outcomes(hot) == [("0.90", True), ("0 of 12,345 pieces", True)]


def test_the_way_to_the_wire_is_told_by_its_parts():
    figure = order_figures.pushed([float(ms) for ms in range(1, 101)])
    assert figure.columns == ("", "p50", "p75", "p90", "p95", "p99")
    assert outcomes(figure) == [("50 ms", False), ("100 ms", True)]


def test_an_upload_is_told_against_load_data_and_its_memory_against_what_it_was():
    u = uploads
    taken = {u.BARE: [10.0, 8.0, 99.0], u.OURS: [20.0, 20.0, 20.0], u.TOLD: [1.0, 1.0, 1.0], u.AGAIN: [5.0, 5.0, 5.0]}
    before = {"catalog": 100.0, "catalog-worker": 90.0}
    figure = u.figure_of(100_000, taken, before, {"catalog": 140.0, "catalog-worker": 190.0})
    assert figure.rows[:2] == (
        ("LOAD DATA", "10.0, 8.0, 99.0", "10,000", "1.00"),
        (u.OURS, "20.0, 20.0, 20.0", "5,000", "0.50"),
    )
    assert figure.rows[2][2:] == ("", "")
    assert [reached for _, reached in outcomes(figure)] == [True, True, False]


def test_events_are_told_as_a_share_of_acks():
    figure = events.figure_of(20_000, {events.BOUND: [3000.0, 4000.0, 1.0], events.OURS: [1200.0, 1200.0, 1200.0]})
    assert [row[1:] for row in figure.rows] == [("3,000", "1.00"), ("1,200", "0.40")]
    assert outcomes(figure) == [("0.40", False)]


def test_only_our_own_processes_count_against_the_memory():
    figure = idling.figure_of({"auth": 500.4, "portal": 400.0, "mysql": 700.0}, ["auth", "portal"], ["mysql"])
    assert outcomes(figure) == [("900 MB", False)]
    assert ("mysql", "700") in figure.rows
    assert figure.bars.names == ("all our own", "auth", "portal")


TOLD = """\
  ✓ make .venv 4 s
  … install 143 pinned packages into .venv 15 s
  ✓ install 143 pinned packages into .venv 16 s
  ✓ start MariaDB 1.9 s
  all of it in 21.3 s
"""


def test_a_start_is_told_by_the_steps_it_tells_itself():
    steps = cold.steps_of(TOLD)
    assert steps == {"make .venv": 4.0, "install 143 pinned packages into .venv": 16.0, "start MariaDB": 1.9}
    figure = cold.figure_of([cold.Start(29.0, steps), cold.Start(45.0, steps), cold.Start(31.0, steps)])
    assert figure.rows[-1] == ("**all of it**", "**31.0**")
    assert outcomes(figure) == [("31 s", False)]


def test_a_cold_start_begins_with_what_a_clone_has(tmp_path):
    kept = ["Makefile", "bench/figures.py", ".env.example", "docs/pictures/live.png"]
    made = [".git/HEAD", ".env", ".run/log/x", ".venv/bin/python", ".venv-mailbox/x", "libs/__pycache__/x.pyc"]
    made += ["services/auth/stoa_auth.egg-info/PKG-INFO", ".mypy_cache/x", ".pytest_cache/x"]
    for name in (*kept, *made):
        (tmp_path / "here" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "here" / name).touch()
    cold.copy(tmp_path / "here", tmp_path / "there")
    there = (path for path in (tmp_path / "there").rglob("*") if path.is_file())
    assert sorted(str(path.relative_to(tmp_path / "there")) for path in there) == sorted(kept)


@pytest.fixture
def _interruptible():
    """A shell has switched that off for what it starts with &."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_a_start_that_is_interrupted_undoes_what_it_has_begun(tmp_path):
    begun = tmp_path / "begun"
    undoing = f"trap 'rm {begun}; exit 1' TERM; touch {begun}; sleep 60 & wait"

    def interrupt():
        eventually(begun.exists)
        os.kill(os.getpid(), signal.SIGINT)

    impatient = threading.Thread(target=interrupt)
    impatient.start()
    with pytest.raises(KeyboardInterrupt):
        cold.run_gently(["sh", "-c", undoing], os.environ)
    impatient.join()
    assert not begun.exists()


def test_a_figure_says_on_what_it_was_measured():
    moment = now().replace(year=2026, month=3, day=4)
    assert measured_on("2 cores, 8 GB", 0.26, moment, "make bench") == (
        "Measured on 2026-03-04 with `make bench`; 2 cores, 8 GB; load before: 0.3."
    )


@pytest.mark.parametrize(("load", "warned"), [(0.1, False), (0.5, True)])
def test_who_measures_beside_other_work_is_warned(load, warned):
    assert bool(busy(load)) is warned
