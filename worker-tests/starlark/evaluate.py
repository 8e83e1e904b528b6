"""Evaluates the rules' files with an implementation of Starlark that is not Bazel's (starlark-rust, from PyPI):

  evaluate.py call FUNCTION BAZEL ARGUMENTS...
                                           calls a function of bazels.star, and prints as JSON what it returns and records
  evaluate.py reference                    prints docs/rules-reference.md
"""

import ast
import inspect
import json
import pathlib
import sys

import starlark

ROOT = pathlib.Path(__file__).parent.parent.parent
PRELUDE = "//worker-tests/starlark:prelude.star"
BAZELS = "//worker-tests/starlark:bazels.star"
PREDECLARED = [
    "attr", "rule", "aspect", "provider", "repository_rule", "module_extension", "tag_class", "Label", "select",
    "depset", "native", "platform_common", "config", "config_common", "DefaultInfo", "OutputGroupInfo",
]
GLOBALS = starlark.Globals.extended_by([
    starlark.LibraryExtension.StructType,
    starlark.LibraryExtension.Json,
    starlark.LibraryExtension.Print,
])
DIALECT = starlark.Dialect.extended()

recorded = []

# The version of Bazel: 71 is 7.1. The reference is that of a new one.
version = 90


def record(call, arguments):
    recorded.append([call, arguments])


def source(label):
    """The text of a file, by its label."""
    package, file = label.removeprefix("//").split(":")
    return (ROOT / package / file).read_text()


loaded = {}


def load(label):
    if label not in loaded:
        module = starlark.Module()
        text = source(label)
        if label == PRELUDE:
            module.add_callable("record", record)
            module.add_callable("bazel", lambda: version)
        else:
            if label == BAZELS:
                module.add_callable("record", record)
            # On the first line, so that lines keep their numbers. Only names that the file uses.
            used = [name for name in PREDECLARED if name in text]
            names = ", ".join(map(json.dumps, used))
            text = f"load({json.dumps(PRELUDE)}, {names}); {text}" if used else text
        if label == "//bazel/private:hub.bzl":
            text += "\nhub_for_tests = _hub\n"
        evaluate(module, label, text)
        loaded[label] = module.freeze()
    return loaded[label]


def evaluate(module, label, text):
    def load_beside(other):
        return load(other if other.startswith("//") else label.split(":")[0] + other)

    return starlark.eval(module, starlark.parse(label, text, DIALECT), GLOBALS, starlark.FileLoader(load_beside))


def call(function, *arguments):
    global version
    version = int(arguments[0])
    module = starlark.Module()
    text = f"load({json.dumps(BAZELS)}, {json.dumps(function)})\n{function}({', '.join(arguments)})\n"
    value = evaluate(module, "call", text)
    print(json.dumps({"returned": value, "recorded": recorded}))


# How an attribute is written in the reference.
DESCRIBE = """
def parameter(name, attribute):
    default = getattr(attribute, "default", None)
    return {
        "name": name,
        "type": attribute.type,
        "mandatory": getattr(attribute, "mandatory", False),
        "default": None if default == None else repr(default),
        "values": getattr(attribute, "values", []),
        "doc": getattr(attribute, "doc", ""),
    }

def parameters(attrs):
    return [parameter(name, attrs[name]) for name in sorted(attrs) if not name.startswith("_")]

def describe(symbol):
    kind = getattr(symbol, "kind", None) if type(symbol) == "struct" else None
    if kind == "extension":
        return {
            "kind": kind,
            "doc": symbol.doc,
            "tags": {name: {"doc": tag.doc, "attrs": parameters(tag.attrs)} for name, tag in symbol.tag_classes.items()},
        }
    if kind == "rule":
        return {"kind": kind, "doc": symbol.doc, "attrs": parameters(symbol.attrs)}
    return {"kind": "function"}
"""

FILES = [
    ("//bazel:defs.bzl", "Rules, for BUILD files"),
    ("//bazel:extensions.bzl", "The module extension, for MODULE.bazel files"),
    ("//bazel:repositories.bzl", "The program, for WORKSPACE files"),
]


def public(label):
    """The names that a file exports, each with the file that defines it and its name there. The syntax of Starlark is
    a part of Python's."""
    loads, names = {}, {}
    for statement in ast.parse(source(label)).body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and statement.value.func.id == "load":
            origin, *symbols = statement.value.args
            for symbol in symbols:
                loads[symbol.value] = (origin.value, symbol.value)
            for keyword in statement.value.keywords:
                loads[keyword.arg] = (origin.value, keyword.value.value)
        elif isinstance(statement, ast.Assign):
            name = statement.targets[0].id
            value = statement.value
            origin = loads.get(value.id) if isinstance(value, ast.Name) else None
            names[name] = origin or (label, name)
        elif isinstance(statement, ast.FunctionDef):
            names[statement.name] = (label, statement.name)
    return {name: place for name, place in names.items() if not name.startswith("_")}


def function(label, name):
    """The signature and the parts of the doc string of a function: a summary, and one text for each argument."""
    for statement in ast.parse(source(label)).body:
        if isinstance(statement, ast.FunctionDef) and statement.name == name:
            break
    else:
        sys.exit(f"{label} has no function {name}")
    doc = ast.get_docstring(statement) or ""
    summary, _, rest = doc.partition("\nArgs:\n")
    texts = {}
    current = None
    for line in rest.partition("\nReturns:")[0].splitlines():
        if line.startswith("    ") and not line.startswith("     ") and ":" in line:
            current, _, text = line.strip().partition(":")
            texts[current] = text.strip()
        elif current and line.strip():
            texts[current] += " " + line.strip()
    arguments = statement.args
    defaults = [None] * (len(arguments.args) - len(arguments.defaults)) + arguments.defaults
    listed = []
    for argument, default in [*zip(arguments.args, defaults), *zip(arguments.kwonlyargs, arguments.kw_defaults)]:
        if argument.arg not in texts:
            sys.exit(f"{label}: the doc string of {name} lacks the argument {argument.arg}")
        listed.append({
            "name": argument.arg, "type": "", "mandatory": default is None, "values": [],
            "default": None if default is None else ast.unparse(default).replace("'", '"'), "doc": texts[argument.arg],
        })
    if arguments.kwarg:
        listed.append({"name": "**" + arguments.kwarg.arg, "type": "", "mandatory": False, "default": None, "values": [],
                       "doc": texts.get("**" + arguments.kwarg.arg, "")})
    return summary.strip(), listed


def table(parameters, what):
    if not parameters:
        return []
    lines = [f"| {what} | type | default | |", "| --- | --- | --- | --- |"]
    for each in parameters:
        doc = " ".join(each["doc"].split()).replace("|", "\\|")
        if not doc:
            sys.exit(f"the attribute {each['name']} has no doc")
        default = "mandatory" if each["mandatory"] else f"`{each['default']}`" if each["default"] is not None else ""
        kind = each["type"]
        if each["values"]:
            kind += ": " + ", ".join(f"`{value}`" for value in each["values"])
        lines.append(f"| `{each['name']}` | {kind} | {default} | {doc} |")
    return ["", *lines]


def reference():
    lines = [
        "# Rules reference",
        "",
        "Made from the .bzl files by `WRITE_RULES_REFERENCE=1 worker-tests/bazel rules_reference`; a test compares them.",
        "[bazel/README.md](../bazel/README.md) shows how the rules are used. Every rule also has Bazel's common attributes.",
    ]
    for label, title in FILES:
        lines += ["", f"## {title}", "", f"`@mtree_worker{label}`"]
        for name, (origin, there) in public(label).items():
            module = starlark.Module()
            text = f"load({json.dumps(origin)}, {json.dumps(there)})\n{DESCRIBE}\ndescribe({there})\n"
            found = evaluate(module, "describe", text)
            lines += ["", f"### {name}", ""]
            if found["kind"] == "function":
                doc, parameters = function(origin, there)
                lines += [doc]
                lines += table(parameters, "argument")
                continue
            if not found["doc"]:
                sys.exit(f"{name} has no doc")
            lines += [inspect.cleandoc(found["doc"])]
            lines += table(found.get("attrs", []), "attribute")
            for tag, description in found.get("tags", {}).items():
                lines += ["", f"#### {name}.{tag}", "", " ".join(description["doc"].split())]
                lines += table(description["attrs"], "attribute")
    print("\n".join(lines))


if __name__ == "__main__":
    {"call": call, "reference": reference}[sys.argv[1]](*sys.argv[2:])
