"""A config file becomes one frozen object: schema, load, check, render.

Everybody enters by `ringmain.config.schema` (the object) and `ringmain.config.load` (a file becomes one).
Nothing here talks to Kafka, to the queues or to another process.
"""
