"""Lines of delimited text that are no rows, looked for one by one where a block of lines does not parse as it is."""

import csv


def unsound_lines(block: bytes, separator: str, columns: int, quoted: bool) -> dict[int, str]:
    """Return by number from 0 what is wrong with the lines of ``block`` that are no rows; blank ones are not told.

    ``separator`` is one letter. A quote counts where a cell begins with it, and must end in its line.
    """
    wrong = {}
    for number, line in enumerate(block.split(b"\n")[:-1]):
        if not line.strip():
            continue
        try:
            found = _columns(line.removesuffix(b"\r").decode("latin-1"), separator, quoted)
        except csv.Error:
            wrong[number] = "a quoted cell that does not end in its line, or a stray carriage return"
            continue
        if found != columns:
            wrong[number] = f"{found} columns, not {columns}"
    return wrong


def _columns(line: str, separator: str, quoted: bool) -> int:
    if not quoted or '"' not in line:
        if "\r" in line:
            raise csv.Error
        return line.count(separator) + 1
    return len(next(csv.reader([line], delimiter=separator, strict=True)))
