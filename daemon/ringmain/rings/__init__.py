"""Shared memory: what it is made of and who gets which side of it. The Python face of `_fastpath`.

The supervisor makes a Segment per route and one Board before it forks; each role opens its own side after the
fork. No other room maps memory or makes a doorbell. No message is looked at here.
"""

from ringmain._fastpath import (
    BatchClaim,
    BatchPlan,
    CallPlan,
    Claim,
    CourierSide,
    FeederSide,
    Frame,
    HandlerSide,
    Intake,
    Message,
    Overseer,
    Parcel,
    called_slot,
    count_transaction,
    courier_is_greeted,
    histogram_bounds_s,
    origin_of,
    pack_headers,
    tell_member,
)
from ringmain.rings.board import Board
from ringmain.rings.segments import ORDERS, SPARE_SEATS, FeederTerms, Geometry, Segment, bell

GATE_STOP = 1
GATE_QUIET = 2
GATE_FLOOD = 4
GATE_OPERATOR = 8

WENT_BACK = -9999
"""An event of Intake: the partition's offsets went back, a new epoch has begun."""

SLEEP_EAGER = 1
SLEEP_ROOMY = 2
SLEEP_LAZY = 4

CRASH = 1
TIMEOUT = 2
RSS = 3
RECYCLE = 4
STUCK = 5
REVOKED = 6

__all__ = [
    "CRASH",
    "GATE_FLOOD",
    "GATE_OPERATOR",
    "GATE_QUIET",
    "GATE_STOP",
    "ORDERS",
    "RECYCLE",
    "REVOKED",
    "RSS",
    "SLEEP_EAGER",
    "SLEEP_LAZY",
    "SLEEP_ROOMY",
    "SPARE_SEATS",
    "STUCK",
    "TIMEOUT",
    "WENT_BACK",
    "BatchClaim",
    "BatchPlan",
    "Board",
    "CallPlan",
    "Claim",
    "CourierSide",
    "FeederSide",
    "FeederTerms",
    "Frame",
    "Geometry",
    "HandlerSide",
    "Intake",
    "Message",
    "Overseer",
    "Parcel",
    "Segment",
    "bell",
    "called_slot",
    "count_transaction",
    "courier_is_greeted",
    "histogram_bounds_s",
    "origin_of",
    "pack_headers",
    "tell_member",
]
