"""Reports: what the counters say, as numbers that add up and figures to draw.

Reads `LedgerCount` and `EngagementCount` with their deltas, never the log. Everything here answers
plain data: the console draws it, the API and CSV files write it.
"""
