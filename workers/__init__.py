"""Processes beside the web: workers that send, and the scheduler.

Five-line actors call verbs of `app`; nothing in `app` knows this package.
"""
