"""Bulk work on the dead set: one job at a time, which can be watched, slowed down, limited and ended.

The command line enters by `job.Job` and `records.Ledger`, the supervisor by the role. A job holds the dead
set while it works; what a message becomes is the hold's business, when and how many is this room's.
"""
