"""One file per provider: reads a request as that provider would and says what it answers.

A wire judges and has no effects: journal, outbox, faults and webhooks are the business of
`app.sandbox.desk`.
"""
