"""The rule that lists the files of a layer in a spec."""

load(":row.bzl", "dir_row", "escape_name", "file_row", "parent_rows")

def _rows(file, path):
    """Returns the row of a file at a path in the archive, after the rows of the directories above it."""
    path = escape_name(path)

    # Bazel 6 and later have `is_symlink`.
    type = "link" if getattr(file, "is_symlink", False) else "file"
    return parent_rows(path) + [file_row(path, file.path, type)]

def _repository_relative(path):
    """Removes the `../REPOSITORY/` at the head of a short path."""
    return path.split("/", 2)[2] if path.startswith("../") else path

def _src(file):
    return _rows(file, _repository_relative(file.short_path))

# The short paths of runfiles of the main repository do not name it; those of other repositories begin with
# `../REPOSITORY/`. A `map_each` function gets no other argument (Bazel 4 has no lambda, and a closure would keep
# the target in memory). So each of the two kinds is added by a call of its own, and `format_each` supplies the
# head of the path: `RUNFILES/WORKSPACE%s` or `RUNFILES/%s`.

def _in_main(path):
    return None if path.startswith("../") else "/" + path

def _in_external(path):
    return path[3:] if path.startswith("../") else None

def _main_file(file):
    path = _in_main(file.short_path)
    return _rows(file, path) if path else None

def _external_file(file):
    path = _in_external(file.short_path)
    return _rows(file, path) if path else None

def _empty_rows(path):
    path = escape_name(path)
    return parent_rows(path) + [file_row(path)]

def _main_empty(name):
    path = _in_main(name)
    return _empty_rows(path) if path else None

def _external_empty(name):
    path = _in_external(name)
    return _empty_rows(path) if path else None

def _symlink_rows(symlink, path, expander):
    target = symlink.target_file
    if not target.is_directory:
        return _rows(target, path)
    rows = []
    for file in expander.expand(target):
        rows.extend(_rows(file, path + "/" + file.tree_relative_path))
    return rows

def _main_symlink(symlink, expander):
    path = _in_main(symlink.path)
    return _symlink_rows(symlink, path, expander) if path else None

def _external_symlink(symlink, expander):
    path = _in_external(symlink.path)
    return _symlink_rows(symlink, path, expander) if path else None

def _root_symlink(symlink, expander):
    return _symlink_rows(symlink, symlink.path, expander)

def _no_row(_file):
    return None

def _add_runfiles(rows, workspace, files_to_run, runfiles):
    """Adds the runfiles of an executable, in the directory beside it that Bazel uses for them."""
    root = escape_name(_repository_relative(files_to_run.executable.short_path)) + ".runfiles"
    rows.add(dir_row(root + "/"))
    in_main = "%s/%s%%s" % (root.replace("%", "%%"), escape_name(workspace))
    in_root = "%s/%%s" % root.replace("%", "%%")

    for values, main, external in [
        (runfiles.empty_filenames, _main_empty, _external_empty),
        (runfiles.files, _main_file, _external_file),
        (runfiles.symlinks, _main_symlink, _external_symlink),
    ]:
        rows.add_all(values, map_each = main, format_each = in_main, uniquify = True)
        rows.add_all(values, map_each = external, format_each = in_root, uniquify = True)
    rows.add_all(runfiles.root_symlinks, map_each = _root_symlink, format_each = in_root, uniquify = True)

    # Bazel 7 and later have this attribute.
    repo_mapping = getattr(files_to_run, "repo_mapping_manifest", None)
    if repo_mapping:
        rows.add(file_row(root + "/_repo_mapping", repo_mapping.path))

    # An action can only expand a directory that is one of its inputs. A directory becomes an input of the write
    # action if it is itself added to the arguments.
    links = runfiles.symlinks.to_list() + runfiles.root_symlinks.to_list()
    directories = [link.target_file for link in links if link.target_file.is_directory]
    rows.add_all(directories, map_each = _no_row)

def _has_runfiles(src):
    """Whether a target has a runfiles tree.

    `runfiles_manifest` does not tell: it is None under --nobuild_runfile_manifests. `executable` does not either:
    it is also set for a source file, an output file, and a filegroup of one file. But Bazel lets a rule declare
    only an executable that the rule itself creates, and of the rules that do, those without a runfiles tree
    (genrule) have no runfiles.
    """
    info = src[DefaultInfo]
    executable = info.files_to_run.executable
    return bool(executable and executable.owner == src.label and
                info.default_runfiles and info.default_runfiles.files)

def _mtree_spec_impl(ctx):
    rows = ctx.actions.args()
    rows.set_param_file_format("multiline")
    rows.add_all(ctx.files.srcs, map_each = _src, uniquify = True)
    if ctx.attr.include_runfiles:
        for src in ctx.attr.srcs:
            if _has_runfiles(src):
                info = src[DefaultInfo]
                _add_runfiles(rows, ctx.workspace_name, info.files_to_run, info.default_runfiles)

    out = ctx.outputs.out or ctx.actions.declare_file(ctx.attr.name + ".spec")
    ctx.actions.write(out, rows)
    return [DefaultInfo(files = depset([out]), runfiles = ctx.runfiles([out]))]

mtree_spec = rule(
    implementation = _mtree_spec_impl,
    doc = """Writes an mtree(5) spec of files, from which `tar` makes a layer.

The rule does what tar.bzl's rule of the same name does, except that:

- every byte of a path that mtree(5) or libarchive would misread is escaped, not only the space;
- runfiles are listed also under `--nobuild_runfile_manifests`;
- a symlink that the build declared (`declare_symlink`) is a row `type=link`. `mtree_mutate` and
  `resolve_symlinks` add its target.""",
    attrs = {
        "include_runfiles": attr.bool(
            default = True,
            doc = """Whether the runfiles of executables are listed too, at the paths that Bazel uses:
`[executable].runfiles/[repository]/[path]`.""",
        ),
        "out": attr.output(doc = "The spec to write. Default: `[name].spec`."),
        "srcs": attr.label_list(
            allow_files = True,
            doc = """Files, directories and targets of the layer. Their paths in the archive are those in their
repositories. A directory that a rule creates is expanded.""",
        ),
    },
)
