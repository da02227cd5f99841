"""ringmain: Python functions over Kafka topics, in many processes."""
