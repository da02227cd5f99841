"""What `ringmain demo` brings along: a broker, a sample app, its load, and a view of the daemon at work.

The command line enters through `ringmain.demo.run.run`. The daemon itself is not here: the demo starts it as
a user would, and no role ever imports this room.
"""
