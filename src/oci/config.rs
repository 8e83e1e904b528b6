//! The configuration of an image: that of the base, what is given, and the diff IDs of the layers.
//!
//! Knows the fields of image-spec's "Image Configuration"; must not know files.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::base::Base;
use super::digest::BlobDigest;
use super::error::OciError;

/// The time of an image that has none: a build has no time of its own.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// The configuration of `given`, which is in the file at `path`, merged with that of `base`.
pub(super) fn merged(
    base: Option<&Base>,
    given: Map<String, Value>,
    diff_ids: Vec<BlobDigest>,
    path: Option<&Path>,
) -> Result<Map<String, Value>, OciError> {
    let mut config = base.map(|base| base.config.clone()).unwrap_or_default();
    let wrong = |key: &str| OciError::Config {
        path: path.unwrap_or(Path::new("")).to_owned(),
        key: key.to_owned(),
    };
    config.remove("created");
    for (key, value) in given {
        match (&*key, value) {
            ("rootfs" | "history", _) => return Err(wrong(&key)),
            ("config", Value::Object(run)) => {
                let below = config.entry("config").or_insert(Value::Null);
                *below = Value::Object(merged_run(below.take(), run));
            }
            ("config", _) => return Err(wrong(&key)),
            (_, value @ Value::String(_)) => {
                config.insert(key, value);
            }
            _ => return Err(wrong(&key)),
        }
    }
    for (key, value) in [("architecture", "amd64"), ("os", "linux"), ("created", CREATED)] {
        config.entry(key).or_insert_with(|| value.into());
    }
    let created = config["created"].clone();
    let added = diff_ids.len();
    let below = base.map(|base| &base.diff_ids[..]).unwrap_or_default();
    let all = below.iter().chain(&diff_ids).map(BlobDigest::as_str).collect::<Vec<_>>();
    config.insert("rootfs".to_owned(), json!({ "type": "layers", "diff_ids": all }));
    // A history names all layers or is absent.
    let history = match (base, config.remove("history")) {
        (None, _) => Some(Vec::new()),
        (Some(_), Some(Value::Array(history))) => Some(history),
        (Some(_), _) => None,
    };
    if let Some(mut history) = history {
        let entry = json!({ "created": created, "created_by": "mtree-worker" });
        history.extend(std::iter::repeat_n(entry, added));
        config.insert("history".to_owned(), Value::Array(history));
    }
    Ok(config)
}

/// The field `config`: that of the base, `below`, with `given`. Environment variables and labels are added, the rest is
/// replaced.
fn merged_run(below: Value, given: Map<String, Value>) -> Map<String, Value> {
    let mut run = match below {
        Value::Object(run) => run,
        _ => Map::new(),
    };
    // The arguments of another command.
    if given.contains_key("Entrypoint") {
        run.remove("Cmd");
    }
    for (key, value) in given {
        let merged = match (&*key, run.remove(&key), value) {
            ("Env", Some(Value::Array(below)), Value::Array(given)) => {
                Value::Array(merged_env(below, given))
            }
            ("Labels", Some(Value::Object(mut labels)), Value::Object(given)) => {
                labels.extend(given);
                Value::Object(labels)
            }
            (_, _, value) => value,
        };
        run.insert(key, merged);
    }
    run
}

fn merged_env(below: Vec<Value>, given: Vec<Value>) -> Vec<Value> {
    let name = |value: &Value| {
        let name = value.as_str().and_then(|text| text.split('=').next());
        name.unwrap_or_default().to_owned()
    };
    let names: Vec<_> = given.iter().map(name).collect();
    let kept = below.into_iter().filter(|value| !names.contains(&name(value)));
    kept.chain(given).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(config: Value) -> Base {
        let Value::Object(config) = config else { panic!("not an object") };
        Base { layers: Vec::new(), config, diff_ids: vec![BlobDigest::of(b"below")] }
    }

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else { panic!("not an object") };
        object
    }

    #[test]
    fn what_is_given_is_laid_over_the_base() {
        let base = base(json!({
            "architecture": "arm64", "os": "linux", "created": "2020-01-01T00:00:00Z",
            "config": {"Cmd": ["sh"], "Env": ["PATH=/bin", "A=1"], "User": "me", "Labels": {"a": "1"}},
            "history": [{"created_by": "other"}],
        }));
        let given = json!({
            "config": {"Entrypoint": ["/app"], "Env": ["A=2"], "Labels": {"b": "2"}},
        });
        let merged =
            merged(Some(&base), object(given), vec![BlobDigest::of(b"above")], None).unwrap();
        assert_eq!(
            Value::Object(merged),
            json!({
                "architecture": "arm64", "os": "linux", "created": CREATED,
                "config": {
                    "Entrypoint": ["/app"], "Env": ["PATH=/bin", "A=2"], "User": "me",
                    "Labels": {"a": "1", "b": "2"},
                },
                "history": [{"created_by": "other"}, {"created": CREATED, "created_by": "mtree-worker"}],
                "rootfs": {
                    "type": "layers",
                    "diff_ids": [BlobDigest::of(b"below").as_str(), BlobDigest::of(b"above").as_str()],
                },
            })
        );
    }

    #[test]
    fn diff_ids_cannot_be_given() {
        let given = object(json!({"rootfs": {}}));
        let error = merged(None, given, Vec::new(), Some(Path::new("c.json"))).unwrap_err();
        assert!(error.to_string().starts_with("c.json: \"rootfs\""), "{error}");
    }
}
