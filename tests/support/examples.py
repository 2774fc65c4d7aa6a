"""Generated examples are not timed: a busy machine is no fault of the code."""

from hypothesis import settings

settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")
