"""The JSON API, version 1, for product services.

`operations` is the skeleton every call goes through (key, scope, limits, strict JSON, idempotency,
answer); one module per noun holds three-line views over the domain, `schemas/` their shapes.
Nothing here decides or stores.
"""
