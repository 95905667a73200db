"""Tests of the programs in examples/; each writes under tmp_path."""
