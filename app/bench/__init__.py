"""Benchmarks: Herald's real processes on servers of their own, against the sandbox.

Nothing here touches the installation beside it: database, queue, ports and files are scratch.
"""
