"""Members, their roles and sessions, API keys, and the audit trail of what staff did.

Knows nothing of people who receive messages: that is `app.audience`.
"""
