"""Formats rows of a spec as mtree(5) defines them. Knows paths; must not know targets or actions."""

# These characters need no escape in a name. Most paths consist of them, so one call of `strip` decides.
_NAME = (
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" +
    "/._-+@,~:!$%&'()*;<>?[]^`{|}\""
)

# In a value, `=` needs no escape either. Other tools search the text of the spec for the path of a source,
# such as `compute_unused_inputs` of tar.bzl, so a path is escaped no more than necessary.
_VALUE = _NAME + "="

# All other characters, in the order of their numbers. Bazel represents each byte of a file name as one character.
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

def _escapes(escapes):
    for first, characters in [(1, _FROM_1), (127, _FROM_127)]:
        for i in range(len(characters)):
            escapes[characters[i]] = _octal(first + i)
    return escapes

_NAME_ESCAPES = _escapes({"#": "\\043", "=": "\\075", "\\": "\\134"})
_VALUE_ESCAPES = _escapes({"#": "\\043", "\\": "\\134"})

def _escape(path, plain, escapes):
    if not path.strip(plain):
        return path
    return "".join([escapes.get(path[i], path[i]) for i in range(len(path))])

def escape_name(path):
    """Escapes a path for the first field of a row.

    Args:
        path: a path of any bytes.

    Returns:
        the path, with `\\ooo` for each byte that mtree(5) or libarchive misreads there: bytes that are not
        printable ASCII, space, `\\`, `#` and `=`.
    """
    return _escape(path, _NAME, _NAME_ESCAPES)

def _escape_value(path):
    return _escape(path, _VALUE, _VALUE_ESCAPES)

# The keywords, their order and their values are those of tar.bzl.
_KEYWORDS = " uid=0 gid=0 time=1672560000 mode=0755 type="

def dir_row(path):
    """Formats the row of a directory.

    Args:
        path: its path in the archive, escaped, with `/` at its end. Without the `/`, mtree(5) would take the
            rows that follow as relative to the directory.

    Returns:
        the row.
    """
    return path + _KEYWORDS + "dir nlink=1"

def file_row(path, content = None, type = "file"):
    """Formats the row of a file, or of a symlink that the build declared.

    Args:
        path: its path in the archive, escaped.
        content: the path of its source, not escaped. An empty file has none.
        type: `file` or `link`.

    Returns:
        the row.
    """
    row = path + _KEYWORDS + type + " nlink=1"
    return row + " content=" + _escape_value(content) if content else row

def parent_rows(path):
    """Formats the rows of the directories above a path, the outermost first.

    Args:
        path: a path in the archive, escaped.

    Returns:
        a list of rows. The caller removes duplicates.
    """
    return [dir_row(path[:i + 1]) for i in range(len(path)) if path[i] == "/"]
