//! Numbers in text.

/// The number at the start of `text`, 0 without one. Not meant for more than 18 digits.
pub fn leading_number(text: &[u8]) -> i64 {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let number = digits.iter().take_while(|c| c.is_ascii_digit()).take(18).fold(0, |n, c| n * 10 + i64::from(c - b'0'));
    if negative { -number } else { number }
}

/// An id as it stands in a path of /proc: digits only, no leading zero.
pub fn id(text: &[u8]) -> Option<i32> {
    let plain = matches!(text, [b'1'..=b'9', ..]) && text.len() <= 7 && text.iter().all(u8::is_ascii_digit);
    plain.then(|| leading_number(text) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read() {
        assert_eq!(leading_number(b"42\n"), 42);
        assert_eq!(leading_number(b"-7 x"), -7);
        assert_eq!(leading_number(b"x"), 0);
        assert_eq!(id(b"1234567"), Some(1234567));
        for no in [&b""[..], b"0", b"01", b"12a", b"self", b"12345678"] {
            assert_eq!(id(no), None);
        }
    }
}
