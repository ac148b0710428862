//! Compression of one chunk.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How the chunks of an image are compressed. A chunk that does not get smaller is stored as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As it is.
    None,
    /// LZ4, of chunks that a sample shows to shrink: less to hash and to write, so it is the fastest for most programs.
    #[default]
    Lz4,
    /// Zstandard.
    Zstd,
}

impl FromStr for Compression {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "none" => Ok(Self::None),
            "lz4" => Ok(Self::Lz4),
            "zstd" => Ok(Self::Zstd),
            other => Err(format!("unknown compression \"{other}\"; choose none, lz4 or zstd")),
        }
    }
}

/// zstd's level 1: higher levels gain little on memory contents and cost several times the processor time.
const ZSTD_LEVEL: i32 = 1;

/// Compresses `input` into `out`, which is at least as long. Answers the stored length, or None if it would not be
/// clearly smaller, in which case `out` holds nothing of use.
pub(super) fn compress(codec: Compression, input: &[u8], out: &mut [u8]) -> Option<usize> {
    let bound = input.len() - input.len() / 8;
    let stored = match codec {
        Compression::None => return None,
        Compression::Lz4 if !shrinks(input) => return None,
        // lz4_flex wants room for the worst case; the output is bounded by giving up afterwards.
        Compression::Lz4 => {
            let packed = lz4_flex::block::compress(input);
            if packed.len() >= bound {
                return None;
            }
            out[..packed.len()].copy_from_slice(&packed);
            packed.len()
        }
        Compression::Zstd => zstd::bulk::compress_to_buffer(input, &mut out[..bound], ZSTD_LEVEL).ok()?,
    };
    (stored < bound).then_some(stored)
}

/// Whether some pages of `input`, taken at equal distances, get smaller: to try the whole of what does not costs as much as to hash it.
fn shrinks(input: &[u8]) -> bool {
    const SAMPLE: usize = 4096;
    const SAMPLES: usize = 8;
    if input.len() < 2 * SAMPLE * SAMPLES {
        return true;
    }
    let mut packed = [0; lz4_flex::block::get_maximum_output_size(SAMPLE)];
    let samples = input.chunks_exact(SAMPLE).step_by(input.len() / SAMPLE / SAMPLES).take(SAMPLES);
    // what cannot be told from the sample is tried
    let len = |sample| lz4_flex::block::compress_into(sample, &mut packed).unwrap_or(0);
    samples.map(len).sum::<usize>() < SAMPLE * SAMPLES / 8 * 7
}

/// Fills `out` exactly from `stored`, or tells why it cannot. Never writes or allocates beyond `out`.
pub(super) fn decompress(codec: Compression, stored: &[u8], out: &mut [u8]) -> Result<(), String> {
    let got = match codec {
        Compression::None => {
            if stored.len() == out.len() {
                out.copy_from_slice(stored);
            }
            stored.len()
        }
        Compression::Lz4 => lz4_flex::block::decompress_into(stored, out).map_err(|e| e.to_string())?,
        Compression::Zstd => zstd::bulk::decompress_to_buffer(stored, out).map_err(|e| e.to_string())?,
    };
    if got == out.len() { Ok(()) } else { Err(format!("a chunk of {} bytes decompresses to {got}", out.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Compression; 3] = [Compression::None, Compression::Lz4, Compression::Zstd];

    proptest! {
        #[test]
        fn round_trip(words in proptest::collection::vec(0u8..4, 0..20_000)) {
            for codec in ALL {
                let mut stored = vec![0; words.len()];
                if let Some(n) = compress(codec, &words, &mut stored) {
                    let mut back = vec![0xff; words.len()];
                    decompress(codec, &stored[..n], &mut back).unwrap();
                    prop_assert_eq!(&back, &words);
                }
            }
        }

        #[test]
        fn rubbish_is_refused_or_fits(rubbish in proptest::collection::vec(any::<u8>(), 0..500), len in 0usize..5000) {
            for codec in ALL {
                let _ = decompress(codec, &rubbish, &mut vec![0; len]);
            }
        }
    }

    #[test]
    fn zeroes_shrink_and_noise_does_not() {
        let zeroes = vec![0; 4096];
        let noise: Vec<u8> = (0..4096u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 ^ ((i * i) >> 3) as u8).collect();
        for codec in [Compression::Lz4, Compression::Zstd] {
            assert!(compress(codec, &zeroes, &mut vec![0; 4096]).unwrap() < 100);
            if let Some(n) = compress(codec, &noise, &mut vec![0; 4096]) {
                assert!(n < 4096 - 512);
            }
        }
        assert_eq!(compress(Compression::None, &zeroes, &mut vec![0; 4096]), None);
    }
}
