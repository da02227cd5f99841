"""Queues in RabbitMQ: the same contract as SQLite's.

`connect` is the door. `pika` is used in this room alone and its exceptions do not leave it; what is needed of
it is AMQP's own words (pika.spec, pika.frame): the connection is ours, because a loop that also serves rings
cannot hand itself over to a client's.

    access      where the broker is             amqp, fields    bytes <-> events, envelopes
    wire        a stream that never waits        connection      one connection, for a loop that pumps it
    dialogue    questions on a channel           line            the same connection for who may wait
    topology    which queues, with what          publisher, taker, deadset, backend    the contract
"""

from ringmain.queues.rabbit.access import Access, Address, TlsFiles, address
from ringmain.queues.rabbit.backend import RabbitQueues
from ringmain.queues.rabbit.topology import Topology

__all__ = ["Access", "Address", "RabbitQueues", "TlsFiles", "Topology", "address"]
