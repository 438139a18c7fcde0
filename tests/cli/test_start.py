"""What a start leaves undone: spaCy's command line, patterns nobody needs, a look at what stays."""

from __future__ import annotations

import subprocess
import sys


def _said(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_mask_starts_without_spacys_command_line_and_who_wants_it_gets_it() -> None:
    said = _said(
        "import sys\n"
        "from agenttrail.masks.presidio import PresidioOptions\n"
        "PresidioOptions(profile='fast').build()\n"
        "print('httpx' in sys.modules, 'spacy.cli' in sys.modules)\n"
        "import spacy\n"
        "print(bool(spacy.info(silent=True)))\n"
        "import spacy.cli\n"
        "print(callable(spacy.cli.download))\n"
    )
    assert said.split() == ["False", "False", "True", "True"]


def test_a_wrong_pattern_of_a_users_own_is_refused_after_the_start_too() -> None:
    said = _said(
        "from agenttrail.masks.presidio import PresidioOptions\n"
        "PresidioOptions(profile='fast').build()\n"
        "from presidio_analyzer import Pattern\n"
        "try:\n"
        "    Pattern('broken', '(', 0.5)\n"
        "except ValueError:\n"
        "    print('refused')\n"
    )
    assert said.split() == ["refused"]


def test_the_collector_works_again_once_the_pipeline_is_built() -> None:
    said = _said(
        "import gc\n"
        "from agenttrail.cli._collector import uncollected\n"
        "with uncollected():\n"
        "    print(gc.isenabled())\n"
        "print(gc.isenabled(), gc.get_freeze_count() > 0)\n"
    )
    assert said.split() == ["False", "True", "True"]
