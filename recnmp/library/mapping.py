"""Address mappings by name, read from ``library/mappings/*.yaml``."""

from recnmp._registry import PACKAGE
from recnmp.config import Document
from recnmp.config.mapping import MappingConfig


def load_mapping(name: str) -> MappingConfig:
    """Read ``library/mappings/<name>.yaml``; raises ConfigError with file and line for anything wrong in it."""
    return Document.read(PACKAGE / "library" / "mappings" / f"{name}.yaml").validate(MappingConfig)
