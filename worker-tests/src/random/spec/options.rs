//! The options of a request, with what changes rows before they are resolved.

use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::select,
};

use crate::oracle::{Changes, Choice, DirectoryLinks, MissingTarget, Mode, Options};

pub(super) fn options() -> impl Strategy<Value = Options> {
    (
        prop_oneof![
            8 => Just(MissingTarget::Inline),
            3 => Just(MissingTarget::Keep),
            1 => Just(MissingTarget::Fail),
        ],
        prop_oneof![3 => Just(DirectoryLinks::Collapse), 1 => Just(DirectoryLinks::Expand)],
        prop_oneof![5 => Just(false), 1 => Just(true)],
        prop_oneof![5 => Just(Changes::default()), 1 => changes()],
    )
        .prop_map(|(missing_target, directory_links, link_is_source, changes)| Options {
            missing_target,
            directory_links,
            link_is_source,
            no_resolve: false,
            changes,
        })
}

fn changes() -> impl Strategy<Value = Changes> {
    (
        option::of(select(vec!["app", "app/v1", "opt", "nowhere", "/"])),
        option::of(select(vec!["srv", "app", "opt/x y"])),
        option::of(Just("99".to_owned())),
        option::of(Just("5".to_owned())),
        option::of(Just("them".to_owned())),
        vec(mode(), 0..3),
        choice(),
        any::<bool>(),
    )
        .prop_map(
            |(strip_prefix, package_dir, mtime, owner, groupname, modes, choice, sort)| Changes {
                strip_prefix: strip_prefix.map(|prefix| prefix.as_bytes().to_vec()),
                package_dir: package_dir.map(|directory| directory.as_bytes().to_vec()),
                mtime,
                owner: owner.clone(),
                ownername: None,
                group: owner,
                groupname,
                modes,
                choice,
                sort,
            },
        )
}

fn mode() -> impl Strategy<Value = Mode> {
    let pattern = option::of(select(vec!["app", "**/lib", "**/*.so", "./app/{a,b}/**"]));
    (pattern, select(vec!["0644", "0700"])).prop_map(|(pattern, mode)| Mode {
        pattern: pattern.map(str::to_owned),
        mode: mode.to_owned(),
    })
}

fn choice() -> impl Strategy<Value = Choice> {
    let paths =
        || select(vec!["app", "**/lib", "app/?", "**/[ab]", "usr/**", "opt/*/**/a", "**/{bin,c}/"]);
    let sources =
        || select(vec!["external", "external/py/**/lib", "./bazel-out/", "**/a", "*/kept/*"]);
    let some = |strategy| prop_oneof![3 => Just(Vec::new()), 1 => vec(strategy, 1..3)];
    let owned = |patterns: Vec<&str>| patterns.into_iter().map(str::to_owned).collect();
    (some(paths()), some(paths()), some(sources()), some(sources())).prop_map(
        move |(include, exclude, include_source, exclude_source)| Choice {
            include: owned(include),
            exclude: owned(exclude),
            include_source: owned(include_source),
            exclude_source: owned(exclude_source),
        },
    )
}
