"""What one client may take of what all share: streams, scopes, and the size of its first message.

A client is an authenticated identity; without authentication, the address that it connects from.
"""

import msgspec


class ClientLimits(msgspec.Struct, frozen=True):
    """The limits, each with a flag of `mirrorplane serve`. See decision 0142.

    `streams`: how many may be open at once; a proxy has one, or one for each type. `scopes`: how many different
    configurations its proxies may have. `first_message`, in bytes: the message in which
    a reconnecting proxy lists its resources with their versions, 100 bytes for each cluster.
    """

    streams: int = 5000
    scopes: int = 100
    first_message: int = 4 << 20
