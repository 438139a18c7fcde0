"""Several sources as one: all of each, commits to their owner, an error not swallowed."""

from collections.abc import Iterator

import pytest

from agenttrail.errors import SourceError
from agenttrail.seams import Record, StreamEnd
from agenttrail.sources._merge import MergedSource
from agenttrail.testing import ListSource, records


def test_every_record_comes_in_its_streams_order_and_commits_reach_their_owner() -> None:
    """However the threads take turns."""
    parts = [
        ListSource(records(*(b"%d" % n for n in range(2500)), stream=stream)) for stream in "ab"
    ]
    merged = MergedSource(parts)
    items = list(merged.read())
    for stream, part in zip("ab", parts, strict=True):
        own = [i for i in items if isinstance(i, Record) and i.stream == stream]
        assert own == part.items
        assert items.index(StreamEnd(stream=stream)) > items.index(own[-1])
        merged.commit([own[-1].position])
        assert part.committed == [own[-1].position]
    merged.close()


class Broken(ListSource):
    """Fails after its last record."""

    def read(self) -> Iterator[Record]:  # type: ignore[override]
        yield from self.items  # type: ignore[misc]
        raise SourceError("disk gone")


def test_an_error_of_one_source_ends_the_reading() -> None:
    """After what it gave, and with its own words."""
    merged = MergedSource([Broken(records(b"1")), ListSource(records(b"2", stream="other"))])
    got: list[object] = []
    with pytest.raises(SourceError, match="disk gone"):
        got.extend(merged.read())
    assert any(isinstance(item, Record) and item.data == b"1" for item in got)
    merged.close()


def test_closing_frees_a_source_that_nobody_reads_any_more() -> None:
    """Its thread does not wait for ever for room in the queue."""
    merged = MergedSource([ListSource(records(*[b"x"] * 5000))])
    assert isinstance(next(iter(merged.read())), Record)
    merged.close()
