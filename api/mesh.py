"""The mesh model: what all inputs mean, whatever API they were written in."""
import msgspec
class Lowered(msgspec.Struct, frozen=True):
    """x"""
