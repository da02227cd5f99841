"""Where messages wait that did not go well the first time: retries, channels, overflow, the dead set.

The courier publishes, queue feeders take and ack, the admin and `ringmain dead` look and pick. `contract`
says what a backend owes them; no backend's client or exception is ever seen outside its own room.
"""
