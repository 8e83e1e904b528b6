"""Rows of a spec as text, in mtree(5)'s words. Knows paths, and nothing of targets or actions."""

# These stand for themselves. Most paths hold nothing else, so that one look at them is enough.
_PLAIN = (
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" +
    "/._-+@,~:!$%&'()*;<>?[]^`{|}\""
)

# The others, by their numbers. Bazel holds the name of a file with each of its bytes as a character.
_FROM_1 = (
    "\001\002\003\004\005\006\007\010\011\012\013\014\015\016\017" +
    "\020\021\022\023\024\025\026\027\030\031\032\033\034\035\036\037\040"
)
_FROM_127 = (
    "\177" +
    "\200\201\202\203\204\205\206\207\210\211\212\213\214\215\216\217" +
    "\220\221\222\223\224\225\226\227\230\231\232\233\234\235\236\237" +
    "\240\241\242\243\244\245\246\247\250\251\252\253\254\255\256\257" +
    "\260\261\262\263\264\265\266\267\270\271\272\273\274\275\276\277" +
    "\300\301\302\303\304\305\306\307\310\311\312\313\314\315\316\317" +
    "\320\321\322\323\324\325\326\327\330\331\332\333\334\335\336\337" +
    "\340\341\342\343\344\345\346\347\350\351\352\353\354\355\356\357" +
    "\360\361\362\363\364\365\366\367\370\371\372\373\374\375\376\377"
)

def _octal(number):
    return "\\%d%d%d" % (number // 64, number // 8 % 8, number % 8)

def _escapes():
    escapes = {"#": "\\043", "=": "\\075", "\\": "\\134"}
    for first, characters in [(1, _FROM_1), (127, _FROM_127)]:
        for i in range(len(characters)):
            escapes[characters[i]] = _octal(first + i)
    return escapes

_ESCAPES = _escapes()

def escape(path):
    """Writes a path as mtree(5) reads it.

    Args:
        path: a path of any bytes.

    Returns:
        the path, with `\\ooo` for every byte that is not printable ASCII, and for space, `\\`, `#` and `=`.
    """
    if not path.strip(_PLAIN):
        return path
    return "".join([_ESCAPES.get(path[i], path[i]) for i in range(len(path))])

# The keywords, their order and their values are those that tar.bzl writes.
_KEYWORDS = " uid=0 gid=0 time=1672560000 mode=0755 type="

def dir_row(path):
    """The row of a directory.

    Args:
        path: its path in the archive, escaped, with `/` at its end: without, mtree(5) would enter the directory.

    Returns:
        the row.
    """
    return path + _KEYWORDS + "dir nlink=1"

def file_row(path, content = None, type = "file"):
    """The row of a file, or of a link that the build declared.

    Args:
        path: its path in the archive, escaped.
        content: the path of its bytes, not escaped; an empty file has none.
        type: `file` or `link`.

    Returns:
        the row.
    """
    row = path + _KEYWORDS + type + " nlink=1"
    return row + " content=" + escape(content) if content else row

def parent_rows(path):
    """The rows of the directories above a path, the outermost first.

    Args:
        path: a path in the archive, escaped.

    Returns:
        a list of rows, to be made unique by whoever adds them to others.
    """
    return [dir_row(path[:i + 1]) for i in range(len(path)) if path[i] == "/"]
