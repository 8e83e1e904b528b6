//! A tar of chosen headers, written without the code under test.

/// The header of a member, and what follows it.
#[derive(Clone)]
pub struct Head {
    pub name: Vec<u8>,
    pub kind: u8,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub uname: &'static str,
    pub gname: &'static str,
    pub time: u64,
    pub link: &'static str,
    pub device: (u32, u32),
    /// What the header claims, if not the length of `content`.
    pub size: Option<u64>,
    pub content: Vec<u8>,
}

/// A file.
pub fn file(name: &str, content: &str) -> Head {
    Head {
        name: name.into(),
        kind: b'0',
        mode: 0o644,
        uid: 0,
        gid: 0,
        uname: "",
        gname: "",
        time: 0,
        link: "",
        device: (0, 0),
        size: None,
        content: content.into(),
    }
}

/// An entry of another kind.
pub fn special(name: &str, kind: u8) -> Head {
    Head { kind, ..file(name, "") }
}

/// An extended header of pax for the next entry.
pub fn pax(records: &[(&str, &str)]) -> Head {
    let mut content = Vec::new();
    for (keyword, value) in records {
        let rest = format!(" {keyword}={value}\n");
        let mut length = rest.len();
        while length != rest.len() + length.to_string().len() {
            length = rest.len() + length.to_string().len();
        }
        content.extend_from_slice(format!("{length}{rest}").as_bytes());
    }
    Head { kind: b'x', content, ..file("pax", "") }
}

impl Head {
    /// The blocks of the header and its content.
    pub fn blocks(&self) -> Vec<u8> {
        let mut block = vec![0; 512];
        let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
        let size = self.size.unwrap_or(self.content.len() as u64);
        put(0, &self.name);
        put(100, format!("{:07o}\0", self.mode).as_bytes());
        put(108, format!("{:07o}\0", self.uid).as_bytes());
        put(116, format!("{:07o}\0", self.gid).as_bytes());
        put(124, format!("{size:011o}\0").as_bytes());
        put(136, format!("{:011o}\0", self.time).as_bytes());
        put(148, b"        ");
        put(156, &[self.kind]);
        put(157, self.link.as_bytes());
        put(257, b"ustar\x0000");
        put(265, self.uname.as_bytes());
        put(297, self.gname.as_bytes());
        put(329, format!("{:07o}\0", self.device.0).as_bytes());
        put(337, format!("{:07o}\0", self.device.1).as_bytes());
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block.extend_from_slice(&self.content);
        block.resize(block.len().next_multiple_of(512), 0);
        block
    }
}

/// A tar of these entries, with its two blocks of zeros.
pub fn tar(heads: &[Head]) -> Vec<u8> {
    let mut tar: Vec<u8> = heads.iter().flat_map(Head::blocks).collect();
    tar.resize(tar.len() + 1024, 0);
    tar
}
