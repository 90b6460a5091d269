"""What hot entries are worth: how much of a trace they serve, for how long, and what the memory system replies."""

from recnmp.study.hot.request import Request
from recnmp.study.hot.run import hot_study

__all__ = ["Request", "hot_study"]
