//! Style: how a spec is written, and how single rows are written differently.

use proptest::{
    prelude::{Just, Strategy},
    prop_oneof,
    sample::select,
};

#[derive(Clone, Debug)]
pub(super) struct Style {
    pub(super) form: Form,
    pub(super) head: &'static str,
    pub(super) escapes: Escapes,
    pub(super) order: Order,
    pub(super) defaults: Defaults,
    pub(super) ends_with_newline: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    FullPaths,
    SlashLess,
    /// As NetBSD's `mtree -D` writes it.
    NameLast,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Escapes {
    Octal,
    Letters,
    /// Bytes from 0x80 stand for themselves.
    Raw,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Layouts,
    Sorted,
    Backwards,
}

/// What a `/set` line at the head says instead of the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Defaults {
    None,
    Type,
    Owner,
}

/// A way to write one row differently.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Oddity {
    Digests,
    OtherOwner,
    Flag,
    Blanks,
    Continued,
    SourceFirst,
    OtherSpelling,
    DottedSource,
    AbsoluteSource,
    /// As with `--experimental_sibling_repository_layout`.
    SiblingSource,
    /// The source in one spelling, then another in the other.
    BothSpellings,
    DottedName,
    OtherHead,
    FullPath,
    RemarkBefore,
    SetBefore,
}

pub(super) fn style() -> impl Strategy<Value = Style> {
    (
        prop_oneof![
            6 => Just(Form::FullPaths),
            2 => Just(Form::SlashLess),
            1 => Just(Form::NameLast),
        ],
        select(vec!["", "", "./", "./", "/"]),
        select(vec![Escapes::Octal, Escapes::Letters, Escapes::Raw]),
        prop_oneof![2 => Just(Order::Layouts), 1 => Just(Order::Sorted), 1 => Just(Order::Backwards)],
        prop_oneof![3 => Just(Defaults::None), 1 => Just(Defaults::Type), 1 => Just(Defaults::Owner)],
        prop_oneof![3 => Just(true), 1 => Just(false)],
    )
        .prop_map(
            |(form, head, escapes, order, defaults, ends_with_newline)| Style {
                form,
                head,
                escapes,
                order,
                defaults,
                ends_with_newline,
            },
        )
}

pub(super) fn oddity() -> impl Strategy<Value = Oddity> {
    select(vec![
        Oddity::Digests,
        Oddity::OtherOwner,
        Oddity::Flag,
        Oddity::Blanks,
        Oddity::Continued,
        Oddity::SourceFirst,
        Oddity::OtherSpelling,
        Oddity::DottedSource,
        Oddity::AbsoluteSource,
        Oddity::SiblingSource,
        Oddity::SiblingSource,
        Oddity::BothSpellings,
        Oddity::DottedName,
        Oddity::OtherHead,
        Oddity::FullPath,
        Oddity::RemarkBefore,
        Oddity::SetBefore,
    ])
}

impl Escapes {
    pub(super) fn write(self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for byte in text {
            match (self, byte) {
                (_, b'!'..=b'~') if !b"\\#=".contains(byte) => out.push(*byte),
                (Escapes::Raw, 0x80..) => out.push(*byte),
                (Escapes::Letters, b' ') => out.extend(b"\\s"),
                (Escapes::Letters, b'\n') => out.extend(b"\\n"),
                (Escapes::Letters, b'\t') => out.extend(b"\\t"),
                (Escapes::Letters, 7) => out.extend(b"\\a"),
                (Escapes::Letters, b'\\') => out.extend(b"\\\\"),
                (Escapes::Letters, b'#') => out.extend(b"\\#"),
                _ => out.extend(format!("\\{byte:03o}").bytes()),
            }
        }
        out
    }
}
