"""Markdown tables, for the screen, the README and the model cards."""


def markdown_table(rows):
    """A list of dicts with the same keys as a Markdown table.

    Example:
        >>> print(markdown_table([{"format": "int8", "KB": 1234}]))
        | format | KB    |
        | ------ | ----- |
        | int8   | 1,234 |
    """
    cells = [list(rows[0])] + [
        [cell(value) for value in row.values()] for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells
    )


def cell(value):
    if value is None or value == ():
        return "-"
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
