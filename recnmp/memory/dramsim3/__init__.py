"""The policy ``dramsim3``: schedules as DRAMsim3 makes them."""

from recnmp.memory.dramsim3.replay import Dramsim3Options, replay_dramsim3

__all__ = ["Dramsim3Options", "replay_dramsim3"]
