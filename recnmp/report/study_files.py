"""The files of a study: ``study.json``, tidy tables, and the figure as SVG and PNG."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recnmp.errors import RecnmpError
from recnmp.report.result import plain, write_whole
from recnmp.report.tidy import write_tidy

Json = Mapping[str, Any]


def write_study(
    document: Json, folder: Path, tables: Sequence[str], plot: Callable[[Json, Path], None]
) -> list[Path]:
    """Write a study into ``folder`` and return the files' paths.

    What is not among the ``tables`` stands in ``study.json``, and but for the provenance in every Parquet file, too;
    tables without rows are left out. Raises RecnmpError where that cannot be written.
    """
    told = {key: value for key, value in document.items() if key not in tables}
    origin = {key: value for key, value in told.items() if key != "provenance"} | {
        key: told["provenance"][key] for key in ("config_sha256", "recnmp")
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(plain(told, "study"), indent=2, ensure_ascii=False, allow_nan=False)
        write_whole(folder / "study.json", text + "\n")
        files = [folder / "study.json"]
        for name in tables:
            if document[name]:
                files += write_tidy(document[name], folder / name, origin)
        for suffix in (".svg", ".png"):
            plot(document, folder / f"study{suffix}")
            files.append(folder / f"study{suffix}")
    except OSError as error:
        raise RecnmpError(f"{folder}: cannot write the study: {error.strerror}") from None
    return files
