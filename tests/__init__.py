"""Tests mirror src; `engines` are the real servers they need."""
