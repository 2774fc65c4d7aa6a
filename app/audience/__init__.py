"""People who may receive something: contacts, devices, topics, preferences, suppressions, segments
and imports.

The only writer of preferences and suppressions. Sends nothing and decides nothing: that is
`app.policy` and `app.sending`.
"""
