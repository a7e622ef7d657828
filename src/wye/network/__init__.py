"""Networks from lines of notation: symbols, the mirror rule, building and describing."""

from wye.network.build import Network, Output, build_network
from wye.network.describe import Description, describe

__all__ = ["Description", "Network", "Output", "build_network", "describe"]
