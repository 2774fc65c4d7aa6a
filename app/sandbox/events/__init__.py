"""What comes back after a message was taken: signed webhooks, and people who open and click.

`emitter` decides what happens when, `sendgrid` and `twilio` word and sign it, `people` opens and
clicks as a person's browser would, `poster` carries it with the providers' retries.
"""
