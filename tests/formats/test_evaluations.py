"""Results of evaluations join their tasks; what a line lacks is told."""

import pytest

from agenttrail import fields as f
from agenttrail.formats.evaluations import EvaluationsOptions, sniff
from agenttrail.seams import Drop
from agenttrail.testing import records


def test_a_header_is_for_its_file_alone() -> None:
    """Two files in one run may have their columns in two orders."""
    form = EvaluationsOptions().build()
    for stream, lines in (("a", [b"task,score", b"t1,1"]), ("b", [b"score,task", b"2,t2"])):
        header, row = records(*lines, stream=stream)
        with pytest.raises(Drop):
            form(header)
        (event,) = form(row)
        assert event.fields[f.EVALUATION_SCORE] == (1.0 if stream == "a" else 2.0)
        assert event.fields[f.TASK_ID] == ("t1" if stream == "a" else "t2")


def test_a_cell_or_a_number_beyond_all_sense_is_a_line_that_cannot_be_read() -> None:
    """Not the end of the run."""
    form = EvaluationsOptions().build()
    long, large = b"t1," + b"x" * 200_000, b'{"task":"t","score":1' + b"0" * 400 + b"}"
    for line, error in ((long, "not_csv"), (large, "bad_score")):
        (event,) = form(records(line)[0])
        assert event.fields[f.SOURCE_ERROR] == error
    assert sniff([long], None) == 0


@pytest.mark.parametrize(
    "line, score",
    [
        (b"task,score,label", 92), (b"\xef\xbb\xbfTask, Score", 92), (b'{"task":"a","score":1}', 92),
        (b'{"task":"a","score":1,"messages":[]}', 0), (b"id,score", 0), (b"some text about a task", 0), (b"{broken", 0),
    ],
)  # fmt: skip
def test_what_these_files_look_like(line: bytes, score: int) -> None:
    assert sniff([b"", line], None) == score
