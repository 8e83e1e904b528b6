"""The rule that writes down which files a layer holds."""

load(":row.bzl", "dir_row", "escape", "file_row", "parent_rows")

def _rows(file, path):
    """The rows of a file at a path in the archive, with those of the directories above it."""
    path = escape(path)

    # Bazel has such files since version 6.
    type = "link" if getattr(file, "is_symlink", False) else "file"
    return parent_rows(path) + [file_row(path, file.path, type)]

def _repository_relative(path):
    """A short path without the repository that it may begin with."""
    return path.split("/", 2)[2] if path.startswith("../") else path

def _src(file):
    return _rows(file, _repository_relative(file.short_path))

# Runfiles of the main repository stand below its name, others below `../` + theirs. A function that
# writes rows may not know the target that it writes them for (Bazel 4 has no lambda, and would keep
# the target in memory), so each of the two kinds is added for itself, and gets its head from
# `format_each`: `RUNFILES/WORKSPACE%s` and `RUNFILES/%s`.

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
    path = escape(path)
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
    """Adds the runfiles of an executable, where Bazel puts them: beside it."""
    root = escape(_repository_relative(files_to_run.executable.short_path)) + ".runfiles"
    rows.add(dir_row(root + "/"))
    in_main = "%s/%s%%s" % (root.replace("%", "%%"), escape(workspace))
    in_root = "%s/%%s" % root.replace("%", "%%")

    for values, main, external in [
        (runfiles.empty_filenames, _main_empty, _external_empty),
        (runfiles.files, _main_file, _external_file),
        (runfiles.symlinks, _main_symlink, _external_symlink),
    ]:
        rows.add_all(values, map_each = main, format_each = in_main, uniquify = True)
        rows.add_all(values, map_each = external, format_each = in_root, uniquify = True)
    rows.add_all(runfiles.root_symlinks, map_each = _root_symlink, format_each = in_root, uniquify = True)

    # Bazel 7 and later have it.
    repo_mapping = getattr(files_to_run, "repo_mapping_manifest", None)
    if repo_mapping:
        rows.add(file_row(root + "/_repo_mapping", repo_mapping.path))

    # A directory can be expanded only by an action that has it for an input, and only directories that
    # were added themselves become inputs.
    links = runfiles.symlinks.to_list() + runfiles.root_symlinks.to_list()
    directories = [link.target_file for link in links if link.target_file.is_directory]
    rows.add_all(directories, map_each = _no_row)

def _mtree_spec_impl(ctx):
    rows = ctx.actions.args()
    rows.set_param_file_format("multiline")
    rows.add_all(ctx.files.srcs, map_each = _src, uniquify = True)
    if ctx.attr.include_runfiles:
        for src in ctx.attr.srcs:
            info = src[DefaultInfo]
            if info.files_to_run.executable and info.files_to_run.runfiles_manifest:
                _add_runfiles(rows, ctx.workspace_name, info.files_to_run, info.default_runfiles)

    out = ctx.outputs.out or ctx.actions.declare_file(ctx.attr.name + ".spec")
    ctx.actions.write(out, rows)
    return [DefaultInfo(files = depset([out]), runfiles = ctx.runfiles([out]))]

mtree_spec = rule(
    implementation = _mtree_spec_impl,
    doc = """Writes an mtree(5) spec of files, for `tar` to make a layer of.

What tar.bzl's rule of this name does, with two differences: every byte of a name that mtree(5) would
misread is escaped, not only the space; and a symlink that the build declared (`declare_symlink`)
is a row `type=link`, which `mtree_mutate` and `resolve_symlinks` finish.""",
    attrs = {
        "include_runfiles": attr.bool(
            default = True,
            doc = """Whether the runfiles of executables go in too, at the paths that Bazel gives
them: `[executable].runfiles/[repository]/[path]`.""",
        ),
        "out": attr.output(doc = "The spec to write. If absent, `[name].spec`."),
        "srcs": attr.label_list(
            allow_files = True,
            doc = """Files, directories and targets that go into the layer, at their paths in their
repositories. A directory that a rule has made is expanded.""",
        ),
    },
)
