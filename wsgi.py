"""The WSGI application for any server: `granian --interface wsgi wsgi:app`.

Settings come from the environment; DATABASE_URL and REDIS_URL must be set (the supervisor and
`herald web` set them to the bundled servers).
"""

from app import log
from app.factory import create_app
from app.settings import load

log.configure()
app = create_app(load())
