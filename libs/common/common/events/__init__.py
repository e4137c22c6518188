"""The events' room: the contract of what services say to each other, one module per owner.

A field may be added with a default. Taking one away or changing its meaning is a new event type, said beside the old
one until nobody hears that any more.
"""

from common.events.base import Envelope, Event, decode, registered

__all__ = ["Envelope", "Event", "decode", "registered"]
