"""Reads the configurations of collectors: where agents' logs leave unmasked, where they are lost.

One file a kind of collector. Each gives `sniff`, `examine` and `mend` over the same small graph
(`_graph.py`): sources, steps and sinks, and whether a path from one to another passes the mask.
"""
