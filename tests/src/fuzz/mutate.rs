//! Random numbers from a seed, and what they do to bytes.

/// xorshift64*: good enough to choose, and the same everywhere.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // neighbouring seeds must not give neighbouring numbers (splitmix64)
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((z ^ (z >> 31)) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A number at which arithmetic goes wrong, or any.
    pub fn number(&mut self) -> u64 {
        let edge = *self.pick(&[0, 1, 2, 7, 8, 64, 255, 4096, 1 << 16, 1 << 20, 1 << 31, 1 << 32, 1 << 47, 1 << 63]);
        match self.below(6) {
            0 => edge,
            1 => edge.wrapping_sub(1),
            2 => edge.wrapping_neg(),
            3 => u64::MAX - self.below(16) as u64,
            4 => self.below(64) as u64,
            _ => self.next(),
        }
    }
}

/// Changes `bytes` in some places; `words` are pieces that mean something to the parser.
pub fn bytes(bytes: &mut Vec<u8>, random: &mut Random, words: &[&[u8]]) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let len = random.below(bytes.len() - at + 1).min(1 + random.below(40));
        match random.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.next() as u8,
            2 => drop(bytes.drain(at..at + len)),
            3 => bytes.truncate(at),
            4 => {
                let piece = bytes[at..at + len].to_vec();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            5 if !words.is_empty() => {
                let word = random.pick(words).to_vec();
                let end = if random.one_in(2) { at + len } else { at };
                bytes.splice(at..end, word);
            }
            6 => replace_digits(bytes, at, random),
            7 => {
                let number = random.number().to_le_bytes();
                let width = *random.pick(&[1, 2, 4, 8]);
                let end = (at + width).min(bytes.len());
                bytes.splice(at..end, number[..width].iter().copied());
            }
            _ => {
                let number = random.number();
                bytes.splice(at..at, number.to_string().into_bytes());
            }
        }
    }
}

/// Puts another number in the place of the first one after `at`.
fn replace_digits(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|offset| at + offset) else { return };
    let end = bytes[start..].iter().position(|byte| !byte.is_ascii_digit()).map_or(bytes.len(), |offset| start + offset);
    let number = random.number();
    let text = match random.below(4) {
        0 => format!("-{number}"),
        1 => format!("{number:x}"),
        2 => format!("{number}{number}"),
        _ => number.to_string(),
    };
    bytes.splice(start..end, text.into_bytes());
}
