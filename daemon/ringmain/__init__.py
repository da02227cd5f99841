"""ringmain: Python functions over Kafka topics, in many processes.

Handler authors enter: what they import is here, and nothing else is. No client, thread or file comes to life
by importing this.
"""

from ringmain.app import App
from ringmain.codec import Codec
from ringmain.errors import DeliveryFailed
from ringmain.message import Message
from ringmain.outcome import Batch, Dead, Outcome, Pause, Retry, Skip, To
from ringmain.producer import Delivery, Producer, Sent
from ringmain.shapes import AsyncCall, Call

__all__ = [
    "App",
    "AsyncCall",
    "Batch",
    "Call",
    "Codec",
    "Dead",
    "Delivery",
    "DeliveryFailed",
    "Message",
    "Outcome",
    "Pause",
    "Producer",
    "Retry",
    "Sent",
    "Skip",
    "To",
]
