"""Herald, a notification platform.

Importing this package or a domain module builds nothing: the parts are put together in
`app.core.create_core`, and with the doors for people and machines in `app.factory.create_app`.
`docs/architecture.md` shows who may import whom.
"""
