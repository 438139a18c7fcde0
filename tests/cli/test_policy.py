"""`agenttrail policy`: checked, tried, and its sampling shown."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli._run import agenttrail
from tests.enrichers._made import AGENTS, POLICY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(AGENTS, tmp_path / "agents.yaml")
    shutil.copy(POLICY, tmp_path / "policy.yaml")
    return tmp_path


def test_check_says_ok_or_all_that_is_wrong(folder: Path) -> None:
    """With the registry's names too."""
    command = ("policy", "check", "policy.yaml", "--registry", "agents.yaml")
    done = agenttrail(folder, *command)
    assert (done.code, done.err) == (0, "ok: 8 rules, 4 channels, 4 budgets\n")
    path = folder / "policy.yaml"
    path.write_text(path.read_text().replace("[pay_claim]", "[pay_clam]"))
    done = agenttrail(folder, *command)
    assert done.code == 2
    assert done.err.count("no tool is called 'pay_clam'") == 3
    assert done.err.count("did you mean 'pay_claim'?") == 3


def test_try_says_which_rules_were_asked_and_what_they_said(folder: Path) -> None:
    """Of the call's values nothing is printed."""
    call = ("policy", "try", "policy.yaml", "--agent", "expense", "--server", "expenses", "--tool", "pay_claim")  # fmt: skip
    done = agenttrail(folder, *call, "--arguments", '{"claim_id": "c-77", "amount": 250000, "currency": "JPY"}')  # fmt: skip
    assert done.out == (
        "expense expenses.pay_claim: require_approval by threshold, ask expense reviewers (answer within 14400 s)\n"
        "  threshold 'expense over 100,000 yen' fits: require_approval\n"
        "  sampling 'expense sample' does not fit\n"
        "  threshold 'expense under 10,000 yen' does not fit\n"
    )
    done = agenttrail(folder, *call, "--arguments", "-", "--json", stdin=b'{"amount": 5, "currency": "USD", "claim_id": "c-77"}')  # fmt: skip
    row = json.loads(done.out)
    assert (row["verdict"], row["findings"]) == ("require_approval", ["currency_unknown"])
    assert {asked["fit"] for asked in row["asked"]} == {"cannot be judged"}
    assert "c-77" not in done.out
    done = agenttrail(folder, "policy", "try", "policy.yaml", "--tool", "unknown")
    assert (
        done.out == "an unknown agent unknown: automatic by default\n  no rule is for such calls\n"
    )


def test_try_judges_every_tool_call_of_a_log(folder: Path) -> None:
    """In whatever format it is, its agents found in the registry."""
    rows = [
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "refund_order", "arguments": {"order_id": "o"}}},
        {"jsonrpc": "2.0", "id": 1, "result": {"content": []}},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 2, "result": {"tools": []}},
        {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "get_claim", "arguments": {}}},
        {"jsonrpc": "2.0", "id": 3, "result": {"content": []}},
    ]  # fmt: skip
    (folder / "calls.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = agenttrail(folder, "policy", "try", "policy.yaml", "--registry", "agents.yaml", "--log", "calls.jsonl")  # fmt: skip
    assert done.out == (
        "line 1: an unknown agent refund_order: require_approval by always, ask business owners (answer within 28800 s)\n"
        "  always 'refunds' fits: require_approval\n"
        "line 5: an unknown agent get_claim: automatic by default\n"
        "  no rule is for such calls\n"
    )


def test_sample_shows_the_share_with_its_interval_and_that_it_can_be_drawn_again(folder: Path) -> None:  # fmt: skip
    """Ten thousand claims, as the policy says."""
    done = agenttrail(folder, "policy", "sample", "policy.yaml")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "10000 calls of pay_claim by expense"
    assert any("require_approval threshold 'expense over 100,000 yen'" in line for line in lines)
    assert any("automatic        threshold 'expense under 10,000 yen'" in line for line in lines)
    (sampled,) = [line for line in lines if line.startswith("sampling")]
    assert sampled.endswith("share 0.05 is inside")
    assert lines[-1] == "a second run with the same seed: the same verdicts"
    assert agenttrail(folder, "policy", "sample", "policy.yaml").out == done.out


@pytest.mark.parametrize(
    "command",
    [("check", "none.yaml"), ("try", "policy.yaml"), ("try", "policy.yaml", "--tool", "x", "--arguments", "{"),
     ("sample", "policy.yaml", "--claims", "0"), ("try", "policy.yaml", "--tool", "x", "--registry", "none"), ()],
)  # fmt: skip
def test_a_wrong_command_ends_with_two(folder: Path, command: tuple[str, ...]) -> None:
    """And a sentence, never a traceback."""
    done = agenttrail(folder, "policy", *command)
    assert done.code == 2
    assert done.out == ""
    assert "Traceback" not in done.err
