"""Incidents: something an operator must know, one per cause, opened, told once and resolved."""
