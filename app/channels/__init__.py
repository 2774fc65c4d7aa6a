"""How one message leaves Herald: an adapter per provider, and what each answer of theirs means.

Here live the wire formats, the one libcurl engine, the SMTP client and the tables that turn every
provider's words into eight outcomes. Nothing here knows the database, Flask or the queue, and
nothing here decides when to try again: `sending` does.
"""
