"""ringmain: Python functions over Kafka topics, in many processes.

Handler authors enter: what they import is here, and nothing else is. No client, thread or file comes to life
by importing this.
"""

from ringmain.app import App
from ringmain.codec import Codec
from ringmain.errors import DeliveryFailed
from ringmain.message import Message
from ringmain.outcome import Batch, Dead, Pause, Retry, Skip, To
from ringmain.producer import Delivery, Producer, Sent

__all__ = [
    "App",
    "Batch",
    "Codec",
    "Dead",
    "Delivery",
    "DeliveryFailed",
    "Message",
    "Pause",
    "Producer",
    "Retry",
    "Sent",
    "Skip",
    "To",
]
