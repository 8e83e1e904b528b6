"""Prints the prefix of the interpreter and what it can import."""

import encodings.idna
import json
import sys

import greeting
import shouting

print(json.dumps({
    "greeting": shouting.loud(greeting.hello("layer")),
    "modules": len(sys.builtin_module_names) > 0 and encodings.idna.__name__,
    "prefix": sys.prefix,
}))
