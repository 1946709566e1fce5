"""Pages of the API reference, one for each public module or package, written from what is there."""

from __future__ import annotations

import ast
from pathlib import Path

from cpdkit.runs.key import PACKAGE

__all__ = ["public_modules", "write_reference"]


def public_modules() -> list[str]:
    """Dotted names of all modules without a leading underscore, found without importing them."""
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if len(parts) > 1 and not any(part.startswith("_") for part in parts):
            names.append(".".join(parts))
    return sorted(names)


def write_reference(directory: Path) -> None:
    """Write ``<module>.md`` for each module at the top; a package's page holds its modules too."""
    directory.mkdir(parents=True, exist_ok=True)
    pages: dict[str, list[str]] = {}
    for name in public_modules():
        pages.setdefault(name.split(".")[1], []).append(name)
    for page, names in pages.items():
        text = f"# {page}\n" + "".join(
            f"\n## {name.partition('.')[2]}\n\n{_section(name)}"
            if len(names) > 1
            else _section(name)
            for name in names
        )
        (directory / f"{page}.md").write_text(text, encoding="utf-8")


def _section(name: str) -> str:
    lines = [f".. automodule:: {name}", "   :members:"]
    elsewhere = _documented_elsewhere(name)
    if elsewhere:
        lines.append(f"   :exclude-members: {', '.join(elsewhere)}")
    return "\n```{eval-rst}\n" + "\n".join(lines) + "\n```\n"


def _documented_elsewhere(name: str) -> list[str]:
    """What a package offers again from one of its public modules."""
    path = PACKAGE.parent.joinpath(*name.split("."), "__init__.py")
    if not path.is_file():
        return []
    imported = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module in public_modules():
            imported += [alias.asname or alias.name for alias in node.names]
    return imported
