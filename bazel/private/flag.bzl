"""A flag of the build."""

FlagInfo = provider(
    doc = "The value of a flag.",
    fields = {"value": "True or False"},
)

def _bool_flag_impl(ctx):
    return [FlagInfo(value = ctx.build_setting_value)]

bool_flag = rule(
    implementation = _bool_flag_impl,
    build_setting = config.bool(flag = True),
    doc = "A flag that is on or off.",
)
