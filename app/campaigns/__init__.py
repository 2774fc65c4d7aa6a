"""Campaigns: draft, audience and waterfall, schedule, launch and fan-out, pause, resume, cancel.

Turns an audience into notifications; sending them is `app.sending`.
"""
