"""Launchers for the bundled PostgreSQL and Valkey.

Each module knows how to find one server's binary, prepare its folder, start it on a free loopback
port and stop it. What they are for, and who attaches to whom, is `app.embedded`'s business.
"""
