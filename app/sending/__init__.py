"""From acceptance to the final state of a notification: accept, batches, deliver, retry, sweep.

The rows are the truth; the queue is only a nudge. Campaigns and the API both end here; providers
are reached through `app.channels` only.
"""
