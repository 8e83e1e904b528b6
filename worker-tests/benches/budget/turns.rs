//! Times of the program and of the floor, taken in turn.

use std::time::Duration;

/// What was measured of one row of the table.
#[derive(Default)]
pub struct Turns {
    program: Vec<Duration>,
    floor: Vec<Duration>,
}

/// The shortest and the middle one of some times.
#[derive(Clone, Copy)]
pub struct Timing {
    pub least: Duration,
    pub middle: Duration,
}

impl Turns {
    /// Takes one time of each. Which goes first changes.
    pub fn take(&mut self, program: impl FnOnce() -> Duration, floor: impl FnOnce() -> Duration) {
        if self.program.len().is_multiple_of(2) {
            self.program.push(program());
            self.floor.push(floor());
        } else {
            self.floor.push(floor());
            self.program.push(program());
        }
    }

    /// How often each was measured.
    pub fn count(&self) -> usize {
        self.program.len()
    }

    /// What the program took, and what the floor took.
    pub fn taken(&self) -> [Timing; 2] {
        [&self.program, &self.floor].map(|times| {
            let mut times = times.clone();
            times.sort();
            Timing { least: times[0], middle: times[times.len() / 2] }
        })
    }
}
