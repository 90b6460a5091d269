"""What was asked: the typed configuration of a run and its reading from YAML."""

from recnmp.config.document import Document
from recnmp.config.load import load_config
from recnmp.config.schema import Config

__all__ = ["Config", "Document", "load_config"]
