"""The rule that makes an image of layers."""

load("//bazel/toolchain:toolchain.bzl", "TOOLCHAIN_TYPE")
load(":action.bzl", "command_line", "run_once")
load(":layer.bzl", "LayersInfo")

def _base_directory(ctx):
    """The path of the base's layout: of a directory, or of the directory of the file `oci-layout`."""
    files = ctx.files.base
    if len(files) == 1 and files[0].basename != "oci-layout":
        return files[0].path
    for file in files:
        if file.basename == "oci-layout":
            return file.dirname
    fail("%s: base has no file oci-layout; give an OCI image layout: one directory, or all files of it" % ctx.label)

# Processors, and how OCI calls them. For others, the program writes `amd64`. `aarch64` is another word for `arm64`, but
# not in the platforms of Bazel 4.
_PROCESSORS = [
    ("@platforms//cpu:aarch64", "arm64"),
    ("@platforms//cpu:arm64", "arm64"),
    ("@platforms//cpu:riscv64", "riscv64"),
    ("@platforms//cpu:s390x", "s390x"),
    ("@platforms//cpu:x86_32", "386"),
    ("@platforms//cpu:x86_64", "amd64"),
]

def _target_platform(ctx):
    """What an image without a base is for: the platform that its files are built for."""
    for constraint, (_, architecture) in zip(ctx.attr._processors, _PROCESSORS):
        if ctx.target_platform_has_constraint(constraint[platform_common.ConstraintValueInfo]):
            return {"architecture": architecture}
    return {}

def _config(ctx):
    attr = ctx.attr
    config = {}
    for name, value in [
        ("Cmd", attr.cmd),
        ("Entrypoint", attr.entrypoint),
        ("Env", ["%s=%s" % item for item in attr.env.items()]),
        ("Labels", attr.labels),
        ("User", attr.user),
        ("WorkingDir", attr.workdir),
    ]:
        if value:
            config[name] = value
    image = dict({} if attr.base else _target_platform(ctx), config = config)
    for name in ["architecture", "author", "created", "os", "variant"]:
        value = getattr(attr, name)
        if value:
            image[name] = value
    return image

def _oci_layout_impl(ctx):
    out = ctx.actions.declare_directory(ctx.label.name)
    config = ctx.actions.declare_file(ctx.label.name + ".config.json")
    ctx.actions.write(config, json.encode(_config(ctx)))
    inputs = [config] + ctx.files.base

    args = command_line(ctx, "oci-layout")

    # Not as a file, which would be expanded to what is in the directory.
    args.add("--out=" + out.path)
    args.add(config, format = "--config=%s")
    args.add(ctx.attr.tag, format = "--tag=%s")
    if ctx.attr.base:
        args.add("--base=" + _base_directory(ctx))
    for layer in [layer for target in ctx.attr.layers for layer in target[LayersInfo].layers]:
        args.add(layer.blob, format = "--layer=%s")
        args.add(layer.descriptor, format = "--descriptor=%s")
        inputs += [layer.blob, layer.descriptor]
    run_once(
        ctx,
        arguments = [args],
        inputs = inputs,
        outputs = [out],
        mnemonic = "OciLayout",
        progress_message = "Making image %s" % ctx.label,
    )
    return [DefaultInfo(files = depset([out]), runfiles = ctx.runfiles([out]))]

oci_layout = rule(
    implementation = _oci_layout_impl,
    doc = """Makes an image of layers: a directory in the OCI image layout, for `skopeo`, `podman load` and `umoci`.

Digests, sizes and diff IDs come from the descriptors of the layers, so that no layer is read to hash it. The output is
the directory `[name]`.""",
    attrs = {
        "architecture": attr.string(doc = "The architecture. Default: that of the base, else that of the target platform."),
        "author": attr.string(doc = "The author."),
        "base": attr.label(
            allow_files = True,
            doc = "The image to add layers to: an OCI image layout on disk with one image, a directory or its files.",
        ),
        "cmd": attr.string_list(doc = "The default arguments of the entrypoint."),
        "created": attr.string(doc = "When the image was created. Default: `1970-01-01T00:00:00Z`."),
        "entrypoint": attr.string_list(doc = "The command to run. It drops the base's `cmd`."),
        "env": attr.string_dict(doc = "Environment variables, added to those of the base."),
        "labels": attr.string_dict(doc = "Labels, added to those of the base."),
        "layers": attr.label_list(
            doc = "The layers, the lowest first: targets of `layers` and `tar`.",
            mandatory = True,
            providers = [LayersInfo],
        ),
        "os": attr.string(doc = "The operating system. Default: that of the base, else `linux`."),
        "tag": attr.string(default = "latest", doc = "The name of the image in the layout."),
        "user": attr.string(doc = "The user that runs the command: a name or a number, with `:` and a group if needed."),
        "variant": attr.string(doc = "The variant of the architecture, such as `v8`."),
        "workdir": attr.string(doc = "The working directory of the command."),
        "_processors": attr.label_list(default = [label for label, _ in _PROCESSORS]),
    },
    toolchains = [TOOLCHAIN_TYPE],
)
