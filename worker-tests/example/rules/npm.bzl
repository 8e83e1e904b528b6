"""An npm tree with a package store: each package is one directory, with links to it wherever it is needed."""

load(":link.bzl", "link_directory")

PackageInfo = provider(
    doc = "An npm package in the store.",
    fields = {
        "files": "the files of the package and of those that it depends on",
        "package": "its name",
        "tree": "its directory in the store",
    },
)

def _npm_package_impl(ctx):
    store = "node_modules/.pnpm/%s@%s/node_modules/" % (ctx.attr.package, ctx.attr.version)
    tree = ctx.actions.declare_directory(store + ctx.attr.package)
    args = ctx.actions.args()
    args.add(tree.path)
    args.add_all(ctx.files.srcs)
    ctx.actions.run_shell(
        outputs = [tree],
        inputs = ctx.files.srcs,
        arguments = [args],
        command = """
set -e
out=$1; shift
cp "$@" "$out"
""",
    )
    deps = [dep[PackageInfo] for dep in ctx.attr.deps]
    links = [link_directory(ctx, store + dep.package, dep.tree) for dep in deps]
    files = depset([tree] + links, transitive = [dep.files for dep in deps])
    return [
        DefaultInfo(files = files),
        PackageInfo(files = files, package = ctx.attr.package, tree = tree),
    ]

npm_package = rule(
    implementation = _npm_package_impl,
    doc = "A package in the store, beside links to those it depends on.",
    attrs = {
        "deps": attr.label_list(doc = "Packages it depends on.", providers = [PackageInfo]),
        "package": attr.string(doc = "Its name.", mandatory = True),
        "srcs": attr.label_list(allow_files = True, doc = "Its files."),
        "version": attr.string(doc = "Its version.", mandatory = True),
    },
)

def _node_modules_impl(ctx):
    packages = [dep[PackageInfo] for dep in ctx.attr.deps]
    links = [link_directory(ctx, "node_modules/" + package.package, package.tree) for package in packages]
    return [DefaultInfo(files = depset(links, transitive = [package.files for package in packages]))]

node_modules = rule(
    implementation = _node_modules_impl,
    doc = "The node_modules of a package: links into the store.",
    attrs = {"deps": attr.label_list(doc = "Packages.", providers = [PackageInfo])},
)
