//! Which package a file belongs to, by its path alone.
//!
//! Knows where Python, npm and Bazel put packages; must not know sizes.

use serde::Serialize;

/// A package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Package {
    pub name: String,
    /// `Python`, `npm` or `repository`.
    pub kind: &'static str,
}

/// The name and kind of a package, as the page has them for files in no package, too.
pub(super) fn name_and_kind(package: Option<&Package>) -> (String, &'static str) {
    match package {
        Some(Package { name, kind }) => (name.clone(), kind),
        None => ("in no package".to_owned(), ""),
    }
}

/// The package of the entry at an escaped archive path. `source` is the escaped path of its content, if it has one.
/// The innermost `site-packages` or `node_modules` decides, else the external repository.
pub(super) fn package_of(path: &str, source: Option<&str>) -> Option<Package> {
    let parts: Vec<&str> = path.split('/').collect();
    let innermost = parts
        .iter()
        .rposition(|part| matches!(*part, "site-packages" | "dist-packages" | "node_modules"));
    if let Some(at) = innermost
        && let Some(&first) = parts.get(at + 1)
    {
        if parts[at] == "node_modules" {
            let is_scope = first.starts_with('@');
            let name = match parts.get(at + 2) {
                Some(second) if is_scope => format!("{first}/{second}"),
                _ => first.to_owned(),
            };
            // What npm, pnpm and rules_js keep for themselves is below a name with a dot.
            return (!name.starts_with('.')).then_some(Package { name, kind: "npm" });
        }
        return Some(Package { name: python_name(first).to_owned(), kind: "Python" });
    }
    let repository = source.and_then(|source| component_after(source, |part| part == "external"));
    let runfiles = || component_after(path, |part| part.ends_with(".runfiles"));
    let name = repository
        .or_else(runfiles)
        .filter(|name| !matches!(*name, "_main" | "_repo_mapping" | "MANIFEST"))?;
    Some(Package { name: name.to_owned(), kind: "repository" })
}

/// The package of an entry directly below `site-packages`: a directory, its metadata, its libraries, or a module.
fn python_name(entry: &str) -> &str {
    for ending in [".dist-info", ".egg-info"] {
        if let Some(name) = entry.strip_suffix(ending) {
            return name.split_once('-').map_or(name, |(name, _)| name);
        }
    }
    [".libs", ".py", ".pth"].iter().find_map(|ending| entry.strip_suffix(ending)).unwrap_or(entry)
}

/// The component of `path` after the first that `is_before` matches, if something is below it.
fn component_after(path: &str, is_before: impl Fn(&str) -> bool) -> Option<&str> {
    let mut parts = path.split('/').skip_while(|part| !is_before(part)).skip(1);
    let name = parts.next().filter(|name| !name.is_empty())?;
    parts.next().map(|_| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &str, source: Option<&str>) -> String {
        match package_of(path, source) {
            Some(Package { name, kind }) => format!("{kind} {name}"),
            None => "none".to_owned(),
        }
    }

    #[test]
    fn a_python_package_has_its_metadata_and_libraries() {
        for path in ["numpy/core.so", "numpy-2.1.0.dist-info/RECORD", "numpy.libs/a.so", "numpy.py"]
        {
            assert_eq!(name(&format!("app/site-packages/{path}"), None), "Python numpy");
        }
        assert_eq!(name("usr/lib/python3/dist-packages/six.py", None), "Python six");
    }

    #[test]
    fn the_innermost_node_modules_decides_and_a_scope_is_part_of_the_name() {
        assert_eq!(name("app/node_modules/a/node_modules/b/i.js", None), "npm b");
        assert_eq!(name("app/node_modules/@types/node/i.d.ts", None), "npm @types/node");
        let rules_js = "app/node_modules/.aspect_rules_js/acorn@8.7.1/node_modules/acorn/i.js";
        assert_eq!(name(rules_js, None), "npm acorn");
        assert_eq!(name("app/node_modules/.bin/tsc", None), "none");
        assert_eq!(name("app/node_modules", None), "none");
    }

    #[test]
    fn another_file_belongs_to_its_external_repository() {
        assert_eq!(name("opt/bin/python", Some("external/py/bin/python")), "repository py");
        let generated = Some("bazel-out/k8/bin/external/zlib/libz.so");
        assert_eq!(name("lib/libz.so", generated), "repository zlib");
        assert_eq!(name("app.runfiles/zlib/libz.so", None), "repository zlib");
        assert_eq!(name("app.runfiles/_main/app/main.py", Some("app/main.py")), "none");
        assert_eq!(name("app.runfiles/zlib", None), "none");
        assert_eq!(name("", None), "none");
    }
}
