"""Initramfs images as hermetic actions: all that packager reads is an input."""

def _initramfs_impl(ctx):
    output = ctx.actions.declare_file(ctx.label.name + "." + ctx.attr.suffix)
    arguments = ctx.actions.args()
    arguments.add("initramfs")
    arguments.add("--quiet")
    arguments.add("--root", ctx.file.kernel.path)
    arguments.add("--sysroot", ctx.file.kernel.path)
    arguments.add("--busybox", ctx.file.busybox)
    arguments.add_joined("--keymap", ctx.files.keymaps, join_with = ",", omit_if_empty = True)
    arguments.add_joined("--for", ctx.attr.goals, join_with = ",", omit_if_empty = True)
    arguments.add("-o", output)
    keymaps = ctx.files.keymaps + ctx.files.includes
    ctx.actions.run(
        executable = ctx.executable._packager,
        arguments = [arguments],
        # What a keymap includes is looked for here, and nowhere on the machine.
        env = {"LOADKEYS_INCLUDE_PATH": ":".join({keymap.dirname: None for keymap in keymaps})},
        inputs = [ctx.file.kernel, ctx.file.busybox] + keymaps,
        outputs = [output],
        mnemonic = "Initramfs",
        progress_message = "Packing %{output}",
    )
    return [DefaultInfo(files = depset([output]))]

initramfs = rule(
    implementation = _initramfs_impl,
    doc = "An initramfs of a kernel, busybox and keymaps.",
    attrs = {
        "busybox": attr.label(allow_single_file = True, mandatory = True),
        "goals": attr.string_list(doc = "What the modules are for; without any, USB sticks and keyboards."),
        "includes": attr.label_list(allow_files = True, doc = "What the keymaps include."),
        "kernel": attr.label(
            allow_single_file = True,
            doc = "The root of an unpacked kernel package: a directory artifact with boot/ and lib/modules/.",
            mandatory = True,
        ),
        "keymaps": attr.label_list(allow_files = [".kmap", ".map", ".gz"]),
        "suffix": attr.string(default = "igz", doc = "Says how the image is compressed: igz, izst, ixz, ilz4."),
        "_packager": attr.label(allow_single_file = True, cfg = "exec", default = "//tools:packager", executable = True),
    },
)
