"""Bytes to typed values and back, a function made once for each route or producer.

Handler processes enter with a route's format and its handler's type. What cannot be decoded is an exception
whose text has the path of the bad field (`$.items[2].amount`); what becomes of the message is the caller's
business. Where a registry that is away keeps a value from being decoded, it is a Pause: the message waits.
Nothing here keeps a value or its bytes, and no library of a format is loaded before a route needs it.
"""

from ringmain.formats.contract import Decode, Encode, Explain, Schema, Schemas, Sources
from ringmain.formats.decoding import decoder, encoder, explainer
from ringmain.formats.fitting import check
from ringmain.formats.inflating import inflater
from ringmain.formats.keys import key_decoder
from ringmain.formats.schema_files import schema_text

__all__ = [
    "Decode",
    "Encode",
    "Explain",
    "Schema",
    "Schemas",
    "Sources",
    "check",
    "decoder",
    "encoder",
    "explainer",
    "inflater",
    "key_decoder",
    "schema_text",
]
