"""Herald, a notification platform.

Importing this package or a domain module builds nothing: `app.factory.create_app` is the one
place where the parts are put together. `docs/architecture.md` shows who may import whom.
"""
