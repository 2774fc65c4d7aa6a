"""Facts that come back: delivered, opened, clicked, bounced, unsubscribed.

Verifies nothing itself (hooks do that); turns receipts into events, states and counters.
"""
