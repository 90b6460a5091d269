"""``python -m recnmp``."""

from recnmp.cli import main

if __name__ == "__main__":
    main()
