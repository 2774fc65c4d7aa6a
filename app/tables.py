"""Imports every module with tables, so that the metadata is complete (migrations, tests)."""

from app.accounts import models as accounts
from app.alerts import models as alerts
from app.audience import models as audience
from app.campaigns import models as campaigns
from app.content import models as content
from app.db import Model
from app.sending import models as sending
from app.sending import safety
from app.tracking import models as tracking

MODULES = (accounts, alerts, audience, campaigns, content, sending, safety, tracking)
metadata = Model.metadata
