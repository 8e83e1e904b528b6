"""Symlinks to the outputs of other actions."""

def link_file(ctx, path, target):
    """Declares a file that is a symlink.

    Args:
        ctx: of the rule.
        path: the file, relative to the package.
        target: its target, a file.

    Returns:
        the file.
    """
    out = ctx.actions.declare_file(path)
    ctx.actions.symlink(output = out, target_file = target)
    return out

# Bazel 4 creates an output directory before the action runs, so that a symlink cannot be created there.
_DIRECTORIES_CAN_BE_LINKS = hasattr(native, "package_relative_label")

_LINK_EACH = """
set -e
from=$PWD/$1
cd "$2"
(cd "$from" && find . -type d) | while IFS= read -r directory; do mkdir -p "$directory"; done
(cd "$from" && find . ! -type d) | while IFS= read -r file; do ln -s "$from/${file#./}" "$file"; done
"""

def link_directory(ctx, path, target):
    """Declares a directory that is a symlink; with Bazel 4, a directory of symlinks.

    Args:
        ctx: of the rule.
        path: the directory, relative to the package.
        target: its target, a directory that an action creates.

    Returns:
        the directory.
    """
    out = ctx.actions.declare_directory(path)
    if _DIRECTORIES_CAN_BE_LINKS:
        ctx.actions.symlink(output = out, target_file = target)
    else:
        # The links are absolute, as those of Bazel, and point into the output tree. In a sandbox they would point
        # into the sandbox.
        ctx.actions.run_shell(
            outputs = [out],
            inputs = [target],
            arguments = [target.path, out.path],
            command = _LINK_EACH,
            execution_requirements = {"local": "1", "no-cache": "1"},
            mnemonic = "LinkDirectory",
        )
    return out
