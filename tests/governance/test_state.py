"""What is remembered survives a kill and counts every event once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agenttrail.governance.state import State, StateError, peek


def test_values_are_there_after_a_restart(tmp_path: Path) -> None:
    """As they were saved; what was not saved is not."""
    path = str(tmp_path / "state.db")
    state = State(path, "budgets")
    state.put("a", {"spent": 1.5, "big": 123456789012345678901234567890})
    state.save()
    state.put("b", 2)
    state.close()

    again = State(path, "budgets")

    assert dict(again.items()) == {"a": {"spent": 1.5, "big": 123456789012345678901234567890}}
    assert oct(os.stat(path).st_mode & 0o777) == "0o600"


def test_an_event_of_a_batch_that_was_saved_but_not_committed_is_seen(tmp_path: Path) -> None:
    """Once it comes again after a restart, and not when it is new."""
    path = str(tmp_path / "state.db")
    state = State(path, "budgets")
    assert not state.seen("e1")
    state.put("n", 1)
    state.save()
    state.close()

    again = State(path, "budgets")

    assert again.seen("e1")
    assert not again.seen("e2")


def test_events_given_again_in_smaller_batches_are_all_seen(tmp_path: Path) -> None:
    """A new run cuts its batches elsewhere, and may be killed again in the middle of it."""
    path = str(tmp_path / "state.db")
    state = State(path, "budgets")
    assert not any(state.seen(f"e{n}") for n in range(100))
    state.save()
    state.close()
    again = State(path, "budgets")
    assert all(again.seen(f"e{n}") for n in range(10))
    assert not again.seen("new")
    again.save()
    assert again.seen("e10")
    again.save()
    again.close()  # killed before these were committed
    third = State(path, "budgets")
    assert all(third.seen(f"e{n}") for n in range(10, 100))
    assert not third.seen("other")


def test_values_can_be_forgotten_apart_from_the_batch_at_hand(tmp_path: Path) -> None:
    """What is settled goes; what is not saved yet stays."""
    state = State(str(tmp_path / "state.db"), "budgets")
    state.put("old", 1)
    state.save()
    state.put("new", 2)
    state.discard(["old", "new", "none"])
    assert (state.get("old"), state.get("new")) == (None, 2)


def test_what_is_saved_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    """By who only shows it; a wrong file is an error of ours."""
    path = str(tmp_path / "state.db")
    state = State(path, "budgets")
    state.put("a/1", 1)
    state.put("b/1", 2)
    state.save()
    state.put("a/2", 3)
    assert list(peek(path, "budgets", "a/")) == [("a/1", 1)]
    with pytest.raises(StateError):
        list(peek(str(tmp_path / "none.db"), "budgets"))
    with pytest.raises(StateError):
        list(peek(path, "tasks"))


def test_a_killed_process_leaves_whole_batches(tmp_path: Path) -> None:
    """SIGKILL in the middle of saving: the sum always equals the number of events that are seen."""
    path = str(tmp_path / "state.db")
    program = (
        "import sys\nfrom agenttrail.governance.state import State\n"
        f"state = State({path!r}, 'sums')\n"
        "for batch in range(10**6):\n"
        "    for i in range(50):\n"
        "        if not state.seen(f'{batch}-{i}'):\n"
        "            state.put('n', state.get('n', 0) + 1)\n"
        "    state.save()\n"
        "    print(batch, flush=True)\n"
    )
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert process.stdout is not None
        first = int(process.stdout.readline())
        for _ in range(20):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with_state = State(path, "sums")
        total = with_state.get("n")
        with_state.close()
        assert first == 0
        assert total % 50 == 0
        assert total >= 50 * 20


def test_two_scopes_share_a_file_and_two_writers_of_one_do_not(tmp_path: Path) -> None:
    """A second pipeline on the same state would count wrongly: it is refused."""
    path = str(tmp_path / "state.db")
    budgets, tasks = State(path, "budgets"), State(path, "tasks")
    budgets.put("k", 1)
    tasks.put("k", 2)
    budgets.save()
    tasks.save()

    assert (budgets.get("k"), tasks.get("k")) == (1, 2)
    with pytest.raises(StateError, match="cannot be opened"):
        State(path, "budgets")


def test_a_file_that_is_no_state_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"not a database, but long enough to be looked at" * 50)

    with pytest.raises(StateError, match=r"state\.db: cannot be opened"):
        State(str(path), "budgets")


def test_what_is_old_is_pruned_and_what_is_remembered_is_bounded() -> None:
    """A million tasks leave no trace in memory."""
    state = State(None, "tasks", remembered=10)
    for n in range(1000):
        state.put(f"t{n:04}", n, at=float(n))
    state.save()

    assert len(state._known) <= 10
    assert state.get("t0500") == 500
    assert state.prune(900.0) == 900
    assert state.get("t0500") is None
    assert len(list(state.items("t"))) == 100


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(), st.booleans())))
@settings(deadline=None)  # a busy disk takes its time
def test_it_is_a_dictionary(steps: list[tuple[str, int | None, bool]]) -> None:
    """Whatever the order of puts, deletes and saves."""
    state, model = State(None, "model", remembered=1), dict[str, int]()
    for key, value, save in steps:
        if value is None:
            state.delete(key)
            model.pop(key, None)
        else:
            state.put(key, value)
            model[key] = value
        if save:
            state.save()

        assert dict(state.items()) == model
        assert {k: state.get(k) for k in "abc"} == {k: model.get(k) for k in "abc"}
    state.close()
