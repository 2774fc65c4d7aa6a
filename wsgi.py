"""The WSGI application for any server: `granian --interface wsgi wsgi:app`.

Settings come from the environment; DATABASE_URL and REDIS_URL must be set (the supervisor and
`herald web` set them to the bundled servers).
"""

import contextlib
import sys

from sqlalchemy.exc import SQLAlchemyError

from app import log, timekeeper
from app.factory import create_app
from app.sending import installation
from app.settings import load

log.configure()
# A thread that has its answer from the database would wait up to 5 ms for one that reads a
# provider's large post, each time it asks something.
sys.setswitchinterval(0.0005)
_settings = load()
app = create_app(_settings)
# Workers and the scheduler wait for this; the console only says sooner that this is a copy.
with app.app_context(), contextlib.suppress(SQLAlchemyError):
    timekeeper.look()
    installation.begin(_settings)
timekeeper.keep(app)
