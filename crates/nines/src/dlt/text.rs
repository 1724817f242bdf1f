//! Arbitrary bytes as text without control characters, which a terminal might interpret.

use std::fmt::Write as _;

/// Printed for an unknown value.
pub(super) const NOTHING: &str = "-";

/// Text with control characters escaped.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() { plain.extend(letter.escape_default()) } else { plain.push(letter) }
    }
    plain
}

/// Bytes as plain text or, when they are not UTF-8, as `0x` and two hexadecimal digits each.
pub(super) fn plain_or_hex(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| format!("0x{}", hex(bytes)), plain)
}

/// Two hexadecimal digits per byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        // Writing to a string can't fail.
        let _written = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_text_is_unchanged() {
        assert_eq!(plain_or_hex("Tee für 2 €".as_bytes()), "Tee für 2 €");
        assert_eq!(plain_or_hex(b"\x1b[31mred\n\0"), r"\u{1b}[31mred\n\u{0}");
        assert_eq!(plain("\u{9b}31m"), r"\u{9b}31m");
    }

    #[test]
    fn other_bytes_are_hexadecimal_digits() {
        assert_eq!(plain_or_hex(&[0xff, 0x00, 0x0a]), "0xff000a");
        assert_eq!(plain_or_hex(&[]), "");
    }
}
