"""The message as a handler's author sees it.

Handler authors enter. The class itself is compiled: a `Message` is made from a slot's bytes, and only for
handlers that ask for one. Nothing here makes, sends or changes messages.
"""

from ringmain._fastpath import Message

__all__ = ["Message"]
