"""The header of a rotated log's file; it is read where identity is made (sources.condor)."""

from jexevents.sources.condor.rotation import RotationHeader, rotation_header

__all__ = ["RotationHeader", "rotation_header"]
