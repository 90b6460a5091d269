"""What was asked: the typed configuration of a run and its reading from YAML."""

from recnmp.config.document import Document
from recnmp.config.load import config_to_dict, load_config, load_config_dict
from recnmp.config.schema import Config

__all__ = ["Config", "Document", "config_to_dict", "load_config", "load_config_dict"]
