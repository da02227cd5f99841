"""Everything that talks to Kafka: the source a feeder reads, what the scout looks up, the properties of both.

Enter by `kafka.source.KafkaSource` (feeders), `kafka.lookup` (scout, check) and `kafka.properties` (check,
settings, README). `confluent_kafka` is imported nowhere else, and never before the fork: its clients have
threads. Messages are not handled here: they go from librdkafka's queues to the ring without Python.
"""
