//! The arguments of `inspect`, `replay`, `explain`, `report` and `oci-layout`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory};

use super::layer::LayerFormatArgs;
use super::resolve::OptionArgs;
use crate::oci::Layout;
use crate::request::{LayerOptions, ResolveOptions};

/// The arguments of `inspect`.
#[derive(Clone, Debug)]
pub struct Inspect {
    /// The directory to inspect.
    pub directory: PathBuf,
    /// Where to write the resolved spec, if anywhere.
    pub spec: Option<PathBuf>,
    /// Where and how to write the layer, if at all.
    pub layer: Option<(PathBuf, Box<LayerOptions>)>,
}

/// Shows how large a layer of a directory is, with copies and with links.
///
/// Files are found as by Bazel's glob(["**"]): symlinked directories are followed, except in a symlink
/// loop.
#[derive(Args)]
pub(super) struct InspectArgs {
    /// The directory, such as a toolchain, a virtual environment or node_modules.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Write the resolved spec. `bsdtar -cf layer.tar @FILE` makes the layer.
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// Write the layer.
    #[arg(long = "layer", value_name = "LAYER")]
    out: Option<PathBuf>,
    #[command(flatten)]
    layer: LayerFormatArgs,
}

impl InspectArgs {
    /// The arguments. An error if flags contradict each other.
    pub(super) fn convert<C: CommandFactory>(self) -> Result<Inspect, clap::Error> {
        let Self { directory, spec, out, layer } = self;
        let layer = match out {
            Some(out) => {
                let codec = layer.codec("a --layer", &out).map_err(|sentence| {
                    super::usage_error::<C>("inspect", ErrorKind::ValueValidation, sentence)
                })?;
                Some((out, Box::new(layer.into_options(codec))))
            }
            None if layer.is_given() => {
                let sentence = "--compress, --level, --single-member, --descriptor and --hardlinks need --layer";
                let kind = ErrorKind::MissingRequiredArgument;
                return Err(super::usage_error::<C>("inspect", kind, sentence.to_owned()));
            }
            None => None,
        };
        Ok(Inspect { directory, spec, layer })
    }
}

/// The arguments of `replay`.
#[derive(Clone, Debug)]
pub struct Replay {
    /// A capture, or a `WorkRequest`.
    pub file: PathBuf,
    /// Read the file system instead of the capture.
    pub live: bool,
    /// The working directory, instead of the recorded one.
    pub cwd: Option<PathBuf>,
    /// Where to write the output, if anywhere.
    pub out: Option<PathBuf>,
    /// Log every access to the tree.
    pub verbose: bool,
}

/// Runs a recorded request again, from the capture alone, and compares the result.
///
/// The exit status is 0 if output and response are the same. If not, the differences are printed and the
/// status is 1. If another version recorded the capture, its warnings and errors may be worded
/// differently: that is printed as a note, and the status is 0 if output and exit code are the same.
///
/// FILE can also be a bare WorkRequest, preceded by its length or in JSON. It runs on the file system,
/// and nothing is compared: the status is 0 if it succeeds.
#[derive(Args)]
pub(super) struct ReplayArgs {
    /// A capture, or a WorkRequest.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Run on the file system, and list which facts have changed since the recording.
    #[arg(long)]
    live: bool,
    /// Resolve relative paths against DIR [default: the recorded working directory].
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// Write the output to FILE. Without this flag, nothing is written.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Log every access to the tree, and list directories with other times.
    #[arg(long)]
    verbose: bool,
}

impl From<ReplayArgs> for Replay {
    fn from(ReplayArgs { file, live, cwd, out, verbose }: ReplayArgs) -> Self {
        Self { file, live, cwd, out, verbose }
    }
}

/// The arguments of `explain`.
#[derive(Clone, Debug)]
pub struct Explain {
    /// The request to explain.
    pub subject: Subject,
    /// Globs of the archive paths to explain. If empty: every row that became a link, or that stayed a
    /// file because nothing on its trail is in the archive.
    pub paths: Vec<OsString>,
    /// Print JSON.
    pub json: bool,
}

/// A request to explain.
#[derive(Clone, Debug)]
pub enum Subject {
    /// The request in this capture.
    Capture(PathBuf),
    /// This spec with these options, on the tree as it is now.
    Spec(PathBuf, Box<ResolveOptions>),
}

/// clap cannot know that the first argument is another one with --mtree.
const EXPLAIN_USAGE: &str = "mtree-worker explain [OPTIONS] <CAPTURE> [ARCHIVE-PATH]...
       mtree-worker explain [OPTIONS] --mtree <SPEC> [ARCHIVE-PATH]...";

/// Explains what became of rows, and why: source, staging, home, trail, and the rules that decided.
///
/// Without ARCHIVE-PATH, explains every row that became a link, and every row that stayed a file because
/// nothing on its trail is in the archive.
#[derive(Args)]
#[command(override_usage = EXPLAIN_USAGE)]
pub(super) struct ExplainArgs {
    /// A capture. With --mtree, an ARCHIVE-PATH like the others.
    #[arg(value_name = "CAPTURE", required_unless_present = "mtree")]
    capture: Option<OsString>,
    /// Explain only rows that match: globs of archive paths, * ? [a-z] {a,b}, ** across slashes.
    #[arg(value_name = "ARCHIVE-PATH")]
    paths: Vec<OsString>,
    /// Explain this spec, on the tree as it is now, instead of a capture.
    #[arg(long, value_name = "SPEC")]
    mtree: Option<PathBuf>,
    #[command(flatten)]
    options: OptionArgs,
    /// Print one JSON object per row.
    #[arg(long)]
    json: bool,
}

impl From<ExplainArgs> for Explain {
    fn from(ExplainArgs { capture, mut paths, mtree, options, json }: ExplainArgs) -> Self {
        let subject = match mtree {
            Some(mtree) => {
                paths.splice(..0, capture);
                Subject::Spec(mtree, Box::new(options.into()))
            }
            // clap requires a capture if there is no --mtree.
            None => Subject::Capture(capture.unwrap_or_default().into()),
        };
        Self { subject, paths, json }
    }
}

/// The arguments of `report`.
#[derive(Clone, Debug)]
pub struct WriteReport {
    /// Captures, or files of `resolve --report` or `layer --report`.
    pub files: Vec<PathBuf>,
    /// The HTML file to write.
    pub html: PathBuf,
    /// The working directory, instead of the recorded one.
    pub cwd: Option<PathBuf>,
}

/// Writes an HTML page about layers: sizes by directory and package, what changed between builds, and what links save.
///
/// The page is one file that loads nothing else. Captures whose layers have one --out are builds of one layer. For
/// captures of resolve, sizes that a spec does not state are read from the disk.
#[derive(Args)]
pub(super) struct ReportArgs {
    /// Captures, or files of `resolve --report` or `layer --report`.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The HTML file to write.
    #[arg(long, value_name = "OUT.html")]
    html: PathBuf,
    /// Resolve relative paths against DIR [default: the recorded working directory].
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
}

impl From<ReportArgs> for WriteReport {
    fn from(ReportArgs { files, html, cwd }: ReportArgs) -> Self {
        Self { files, html, cwd }
    }
}

/// Writes an image of layers as an OCI image layout, for skopeo, podman load and umoci.
///
/// Digests, sizes and diff IDs come from the descriptors that `layer --descriptor` writes: no layer is read to
/// hash it.
#[derive(Args)]
pub(super) struct OciLayoutArgs {
    /// The directory to write. It is new, or empty.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A layer, the lowest first. May be repeated.
    #[arg(long = "layer", value_name = "LAYER")]
    layers: Vec<PathBuf>,
    /// The descriptor of a layer: one for each --layer, in the same order.
    #[arg(long = "descriptor", value_name = "FILE.json")]
    descriptors: Vec<PathBuf>,
    /// The layout of the image to add the layers to. It has one image.
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    /// What is in the configuration of the image, as JSON: {"architecture": "...", "config": {"Entrypoint":
    /// ["..."]}}. It is laid over that of the base.
    #[arg(long, value_name = "FILE.json")]
    config: Option<PathBuf>,
    /// The name of the image in the layout.
    #[arg(long, default_value = "latest", value_name = "NAME")]
    tag: String,
}

impl OciLayoutArgs {
    /// The image. An error if a layer has no descriptor.
    pub(super) fn convert<C: CommandFactory>(self) -> Result<Layout, clap::Error> {
        let Self { out, layers, descriptors, base, config, tag } = self;
        if layers.len() != descriptors.len() {
            let sentence = format!(
                "each --layer takes a --descriptor: there are {} and {}",
                layers.len(),
                descriptors.len()
            );
            let kind = ErrorKind::WrongNumberOfValues;
            return Err(super::usage_error::<C>("oci-layout", kind, sentence));
        }
        let layers = layers.into_iter().zip(descriptors).collect();
        Ok(Layout { out, layers, base, config, tag })
    }
}
