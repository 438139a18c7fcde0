"""Real servers for tests and demos: each module fetches, starts and stops one engine.

`python -m tests.engines prepare` fetches and builds everything ahead of a test run.
"""
