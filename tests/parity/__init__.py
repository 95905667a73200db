"""Tests that hold ganmod against the real Apache MXNet 1.9.1, number for number."""
