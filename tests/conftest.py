"""Fixtures for all tests."""

import os

from hypothesis import settings

pytest_plugins = ["tests.engines.fixtures", "tests._month"]

# Continuous integration judges a change, not a draw: it tries the same examples every time. Every
# other run draws new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
