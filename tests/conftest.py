"""Fixtures live in small modules under `tests/support`; this file only names them."""

pytest_plugins = [
    "tests.support.servers",
    "tests.support.database",
    "tests.support.application",
    "tests.support.members",
    "tests.support.shop",
    "tests.support.clock",
    "tests.support.examples",
    "tests.support.order",
    "tests.support.rendering",
    "tests.support.sandbox",
    "tests.support.sending",
]
