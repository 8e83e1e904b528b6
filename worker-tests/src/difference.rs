//! What two texts differ in, for a test that fails.

/// Both texts line by line from the first that differs to the last: `-` before a line of `want`,
/// `+` before one of `got`.
pub fn difference(want: &[u8], got: &[u8]) -> String {
    let lines = |text: &[u8]| -> Vec<String> {
        text.split_inclusive(|byte| *byte == b'\n')
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect()
    };
    let (want, got) = (lines(want), lines(got));
    let head = want.iter().zip(&got).take_while(|(a, b)| a == b).count();
    let tail =
        want[head..].iter().rev().zip(got[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let mut out = String::from("the output differs (- wanted, + written)\n");
    let mut write = |mark: &str, lines: &[String]| {
        for line in lines {
            out += &format!("{mark}{}\n", line.trim_end_matches('\n'));
        }
    };
    write("- ", &want[head..want.len() - tail]);
    write("+ ", &got[head..got.len() - tail]);
    out
}
