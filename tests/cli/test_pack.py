"""`agenttrail pack`: all problems at once; rules for each target."""

import shutil
from pathlib import Path

from tests.cli._run import agenttrail
from tests.packs._pack import RUNBOOKS


def copy(folder: Path) -> None:
    shutil.copytree(RUNBOOKS / "anomalies" / "mask-failing", folder / "mine/anomalies/mask-failing")
    (folder / "mine/thresholds.yaml").write_text(
        "thresholds: {alert_window: {value: 15m, reason: three scrapes, move: with them}}\n"
    )


def test_a_pack_of_ones_own_is_checked(tmp_path: Path) -> None:
    """Two mistakes are told at once, each with its file."""
    copy(tmp_path)
    good = agenttrail(tmp_path, "pack", "check", "--pack", "mine")
    page = tmp_path / "mine/anomalies/mask-failing/README.md"
    page.write_text(page.read_text().replace("agenttrail doctor", "agenttrail nurse").replace("## Impact", "## Harm"))  # fmt: skip
    bad = agenttrail(tmp_path, "pack", "check", "--pack", "mine")

    assert good.code == 0
    assert good.out == "1 anomalies, 2 samples, 1 numbers: all laws hold\n"
    assert bad.code == 2
    assert "does not take: agenttrail nurse" in bad.err
    assert "sections must be" in bad.err


def test_rules_are_written_where_one_says(tmp_path: Path) -> None:
    """With the address of one's own pages."""
    copy(tmp_path)
    done = agenttrail(tmp_path, "pack", "export", "prometheus", "--pack", "mine", "--output", "out", "--runbooks", "https://example.com/r")  # fmt: skip

    assert done.code == 0
    assert done.err == "3 files written below out\n"  # alerts, usual values, a test
    text = (tmp_path / "out/prometheus/alerts.yaml").read_text()
    assert "runbook_url: https://example.com/r/mask-failing/README.md" in text


def test_a_rule_that_names_no_dashboard_yet_is_exported_without_one(tmp_path: Path) -> None:
    copy(tmp_path)
    rule = tmp_path / "mine/anomalies/mask-failing/rule.yaml"
    rule.write_text(rule.read_text().replace("dashboards:\n- privacy\n- pipeline-health\n", ""))
    done = agenttrail(tmp_path, "pack", "export", "prometheus", "--pack", "mine", "--output", "out")
    assert done.code == 0
    assert "dashboard_url" not in (tmp_path / "out/prometheus/alerts.yaml").read_text()


def test_a_folder_without_anomalies_is_told(tmp_path: Path) -> None:
    done = agenttrail(tmp_path, "pack", "check")

    assert done.code == 2
    assert "runbooks/thresholds.yaml: cannot be read" in done.err
    assert "holds no folder anomalies/<slug>" in done.err
