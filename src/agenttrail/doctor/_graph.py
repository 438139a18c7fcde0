"""Sources, steps and sinks of a collector, and the paths by which agents' logs leave it.

A node that is the mask ends every path: what comes back from the mask comes from a source of its
own that is not raw.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from agenttrail.doctor._finding import Place


@dataclass(slots=True, kw_only=True)
class Node:
    """One component.

    Args:
        key: unique in its graph.
        name: as the user wrote it.
        place: where it is defined.
        raw: a source of agents' logs.
        masked: a source of what agenttrail has masked.
        sink: data leaves the collector here.
        mask: data that goes in here is masked, or stays here.
        hop: data that goes in here comes back from a masked source.
    """

    key: str
    name: str
    place: Place
    raw: bool = False
    masked: bool = False
    sink: bool = False
    mask: bool = False
    hop: bool = False


@dataclass(slots=True, kw_only=True)
class Leak:
    """A sink that raw data reaches: by the shortest path from each source, in the order they stand."""

    sink: Node
    place: Place
    paths: list[list[Node]] = field(default_factory=list)

    def text(self) -> str:
        """The first path and how many more there are."""
        shown = " -> ".join(node.name for node in self.paths[0])
        more = len(self.paths) - 1
        return shown + (f" (and {more} more source{'s' if more > 1 else ''})" if more else "")


class Graph:
    """A directed graph; an edge remembers the line that makes it."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._edges: dict[str, dict[str, Place]] = {}

    def add(self, node: Node) -> Node:
        """Adds a node, or gives the one that has its key."""
        return self.nodes.setdefault(node.key, node)

    def link(self, before: str, after: str, place: Place) -> None:
        """Data of `before` goes to `after`, as `place` says."""
        if before in self.nodes and after in self.nodes:
            self._edges.setdefault(before, {}).setdefault(after, place)

    def after(self, key: str) -> dict[str, Place]:
        """Where the data of a node goes next."""
        return self._edges.get(key, {})

    def leaks(self) -> list[Leak]:
        """Every sink but the mask that raw data reaches without passing the mask."""
        found: dict[str, Leak] = {}
        for source in self.nodes.values():
            if source.raw and not source.mask:
                for path, place in self._paths(source):
                    sink = path[-1]
                    leak = found.setdefault(sink.key, Leak(sink=sink, place=place))
                    leak.paths.append(path)
        return list(found.values())

    def _paths(self, source: Node, *, through: bool = False) -> Iterator[tuple[list[Node], Place]]:
        waiting: deque[list[Node]] = deque([[source]])
        seen = {source.key}
        while waiting:
            path = waiting.popleft()
            for key, place in self.after(path[-1].key).items():
                node = self.nodes[key]
                if key in seen or (node.mask and not through):
                    continue
                seen.add(key)
                longer = [*path, node]
                if node.sink:
                    yield longer, place
                waiting.append(longer)

    def loops(self) -> list[Leak]:
        """Hops that what they gave back reaches again."""
        found: dict[str, Leak] = {}
        for source in self.nodes.values():
            if source.masked:
                for path, place in self._paths(source, through=True):
                    if path[-1].hop:
                        leak = found.setdefault(path[-1].key, Leak(sink=path[-1], place=place))
                        leak.paths.append(path)
        return list(found.values())

    def reached(self, *, masked: bool = True) -> set[str]:
        """The keys of all nodes that agents' logs pass, raw or, if asked for, masked."""
        waiting = [n.key for n in self.nodes.values() if n.raw or (masked and n.masked)]
        seen = set(waiting)
        while waiting:
            key = waiting.pop()
            if not masked and self.nodes[key].mask:
                continue
            for after in self.after(key):
                if after not in seen:
                    seen.add(after)
                    waiting.append(after)
        return seen
