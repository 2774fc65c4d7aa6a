"""The unauthenticated door: provider webhooks, open pixel, clicks, unsubscribe, preferences.

Nobody signs in here. Webhooks prove themselves by their signature, links by their token. Views
verify and hand over to `app.tracking` and `app.audience`; nothing is decided here.
"""
