"""JSONPath: the direct walk finds what the library finds, and what is no path is refused."""

from typing import Any

import jsonpath_rfc9535
import pytest

from agenttrail.errors import OptionError
from agenttrail.governance import paths

CALL: dict[str, Any] = {
    "amount": 5, "claim": {"lines": [{"sum": 1}, {"sum": 2}], "claim id": "c-1", "none": None},
    "list": [[1, 2], 3],
}  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["$", "$.amount", "$.claim.lines[0].sum", "$['claim']['claim id']", "$.claim.none", "$.missing",
     "$.amount.deeper", "$.list[0][1]", "$.list[9]", "$.claim[0]", "$.list.amount",
     "$.claim.lines[*].sum", "$..sum", "$.list[-1]", "$.claim.lines[?@.sum>1].sum"],
)  # fmt: skip
def test_every_path_finds_what_rfc_9535_says(path: str) -> None:
    """Plain paths do not go through the library and must not differ from it."""
    assert paths.compiled(path)(CALL) == jsonpath_rfc9535.find(path, CALL).values()


@pytest.mark.parametrize("path", ["", "amount", "$.", "$[", "$.a b", "$.claim[01]", "/amount"])
def test_what_is_no_path_is_refused_at_start(path: str) -> None:
    """With a hint; not when the first event comes."""
    with pytest.raises(OptionError) as caught:
        paths.compiled(path, "key[0]")
    assert caught.value.option == "key[0]"
    assert caught.value.hint


def test_what_is_nested_beyond_all_sense_is_not_found() -> None:
    """Whoever asks fails safe."""
    deep: Any = {"amount": 1}
    for _ in range(3000):
        deep = {"inner": deep}
    assert paths.compiled("$..amount")(deep) == []
