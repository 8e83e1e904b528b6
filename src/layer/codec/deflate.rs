//! Streams of deflate (RFC 1951), changed so that another stream can follow.
//!
//! Knows the form of blocks and codes; must not know who compressed them. libdeflate marks the last block of each
//! stream as final, and cannot flush to a byte. So the stream is walked to find that block, its mark is cleared, and an
//! empty stored block pads the stream to a whole byte.

use super::CodecError;

const BROKEN: CodecError = CodecError("libdeflate wrote a stream that is no deflate");

/// The longest code, in bits.
const LONGEST: usize = 15;
/// Codes of up to this many bits are found in one step.
const QUICK: u32 = 11;
/// The symbol that ends a block.
const END_OF_BLOCK: u16 = 256;
/// The order in which a block has the lengths of its code length code.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// An empty stored block from its first whole byte on: its length, and the complement of that.
const EMPTY_STORED: [u8; 4] = [0, 0, 0xff, 0xff];

/// Changes the stream from `out[start]` to the end of `out` so that another can follow.
pub(super) fn reopen(start: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let stream = &mut out[start..];
    let (last_block, end) = walk(stream)?;
    if end.div_ceil(8) != stream.len() {
        return Err(BROKEN);
    }
    stream[last_block / 8] &= !(1 << (last_block % 8));
    // The header of the stored block is three zero bits, and the bits after the end of the stream are zeros.
    if end.next_multiple_of(8) - end < 3 {
        out.push(0);
    }
    out.extend_from_slice(&EMPTY_STORED);
    Ok(())
}

/// The positions of the last block's header and of the stream's end, in bits.
fn walk(stream: &[u8]) -> Result<(usize, usize), CodecError> {
    let mut bits = Bits { stream, next: 0, buffer: 0, count: 0 };
    loop {
        let header = bits.position();
        let is_last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => bits.skip_stored()?,
            1 => {
                let mut lengths = [8; 288];
                lengths[144..256].fill(9);
                lengths[256..280].fill(7);
                skip_block(&mut bits, &Code::new(&lengths), &Code::new(&[5; 30]))?;
            }
            2 => {
                let (symbols, distances) = read_codes(&mut bits)?;
                skip_block(&mut bits, &symbols, &distances)?;
            }
            _ => return Err(BROKEN),
        }
        if is_last {
            return Ok((header, bits.position()));
        }
    }
}

fn skip_block(bits: &mut Bits<'_>, symbols: &Code, distances: &Code) -> Result<(), CodecError> {
    loop {
        bits.fill();
        let symbol = symbols.next(bits)?;
        if symbol < END_OF_BLOCK {
            continue;
        }
        if symbol == END_OF_BLOCK {
            return Ok(());
        }
        bits.skip(match symbol {
            257..=264 | 285 => 0,
            265..=284 => u32::from(symbol - 261) / 4,
            _ => return Err(BROKEN),
        })?;
        let distance = distances.next(bits)?;
        bits.skip(if distance < 4 { 0 } else { u32::from(distance) / 2 - 1 })?;
    }
}

/// Reads the two codes of a block with dynamic codes.
fn read_codes(bits: &mut Bits<'_>) -> Result<(Code, Code), CodecError> {
    let symbols = bits.take(5)? as usize + 257;
    let distances = bits.take(5)? as usize + 1;
    let given = bits.take(4)? as usize + 4;
    let mut lengths = [0; 19];
    for &symbol in &ORDER[..given] {
        lengths[symbol] = bits.take(3)? as u8;
    }
    let code = Code::new(&lengths);
    let mut lengths = Vec::with_capacity(symbols + distances);
    while lengths.len() < symbols + distances {
        bits.fill();
        let symbol = code.next(bits)?;
        let (length, times) = match symbol {
            0..=15 => (symbol as u8, 1),
            16 => (*lengths.last().ok_or(BROKEN)?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            _ => (0, 11 + bits.take(7)?),
        };
        lengths.extend(std::iter::repeat_n(length, times as usize));
    }
    if lengths.len() > symbols + distances {
        return Err(BROKEN);
    }
    Ok((Code::new(&lengths[..symbols]), Code::new(&lengths[symbols..])))
}

/// The bits of a stream, lowest first.
struct Bits<'s> {
    stream: &'s [u8],
    /// The first byte that is not in the buffer.
    next: usize,
    buffer: u64,
    count: u32,
}

impl Bits<'_> {
    fn position(&self) -> usize {
        self.next * 8 - self.count as usize
    }

    /// Fills the buffer to at least 56 bits, or to the end of the stream. A symbol with its distance has at most 48.
    #[inline]
    fn fill(&mut self) {
        if let Some(bytes) = self.stream.get(self.next..).and_then(|rest| rest.first_chunk::<8>()) {
            self.buffer |= u64::from_le_bytes(*bytes) << self.count;
            let taken = (63 - self.count) / 8;
            self.next += taken as usize;
            self.count += taken * 8;
            // The bits above the count belong to the next bytes, which are added again later.
            self.buffer &= u64::MAX >> (64 - self.count);
            return;
        }
        while self.count <= 56
            && let Some(&byte) = self.stream.get(self.next)
        {
            self.buffer |= u64::from(byte) << self.count;
            self.next += 1;
            self.count += 8;
        }
    }

    #[inline]
    fn skip(&mut self, count: u32) -> Result<(), CodecError> {
        self.count = self.count.checked_sub(count).ok_or(BROKEN)?;
        self.buffer >>= count;
        Ok(())
    }

    fn take(&mut self, count: u32) -> Result<u32, CodecError> {
        if self.count < count {
            self.fill();
        }
        let value = self.buffer & ((1 << count) - 1);
        self.skip(count)?;
        Ok(value as u32)
    }

    fn skip_stored(&mut self) -> Result<(), CodecError> {
        self.skip(self.count % 8)?;
        let length = self.take(16)?;
        self.take(16)?;
        // The bytes of the block are skipped in the stream, also those that are in the buffer.
        let next = self.position() / 8 + length as usize;
        if next > self.stream.len() {
            return Err(BROKEN);
        }
        (self.next, self.buffer, self.count) = (next, 0, 0);
        Ok(())
    }
}

/// A code of symbols, each of up to 15 bits.
struct Code {
    /// By the next [`QUICK`] bits: the symbol, times 16, plus the length of its code in bits. 0 if the code is longer
    /// than [`QUICK`].
    quick: Box<[u16; 1 << QUICK]>,
    /// How many symbols there are of each length in bits.
    counts: [u16; LONGEST + 1],
    /// The symbols by length, then by number.
    symbols: Vec<u16>,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0_u16; LONGEST + 1];
        for &length in lengths {
            counts[usize::from(length)] += 1;
        }
        counts[0] = 0;
        let mut code = Self { quick: Box::new([0; 1 << QUICK]), counts, symbols: Vec::new() };
        let mut next = 0_u32;
        for length in 1..=LONGEST as u32 {
            let with_length =
                (0_u16..).zip(lengths).filter(|&(_, &its_length)| u32::from(its_length) == length);
            for (symbol, _) in with_length {
                code.symbols.push(symbol);
                if length <= QUICK {
                    // In the stream, codes begin with their highest bit.
                    let first = (next.reverse_bits() >> (32 - length)) as usize;
                    for slot in code.quick.iter_mut().skip(first).step_by(1 << length) {
                        *slot = symbol << 4 | length as u16;
                    }
                }
                next += 1;
            }
            next <<= 1;
        }
        code
    }

    /// Reads the next symbol. The buffer must hold its bits.
    #[inline]
    fn next(&self, bits: &mut Bits<'_>) -> Result<u16, CodecError> {
        let entry = self.quick[(bits.buffer & ((1 << QUICK) - 1)) as usize];
        if entry != 0 {
            bits.skip(u32::from(entry & 15))?;
            return Ok(entry >> 4);
        }
        self.next_long(bits)
    }

    fn next_long(&self, bits: &mut Bits<'_>) -> Result<u16, CodecError> {
        let (mut code, mut first, mut index) = (0_usize, 0, 0);
        for length in 1..=LONGEST {
            code |= (bits.buffer >> (length - 1)) as usize & 1;
            let count = usize::from(self.counts[length]);
            if code < first + count {
                bits.skip(length as u32)?;
                return self.symbols.get(index + code - first).copied().ok_or(BROKEN);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(BROKEN)
    }
}
