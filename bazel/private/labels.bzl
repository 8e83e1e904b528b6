"""Labels in generated BUILD files."""

def canonical(label):
    """Formats a label so that every repository resolves it alike.

    Args:
        label: a label, from `Label()`.

    Returns:
        `@@repository//package:target`, or `@repository//package:target` in a Bazel without canonical names.
    """
    label = str(label)
    return label if label.startswith("@") else "@" + label
