"""Fixtures, builders and helpers shared by all tests; no test lives here."""
