//! Tables for people.
use comfy_table::{CellAlignment, Table, presets};

/// Prints a table without lines; the columns named in `right` are numbers.
pub(super) fn print(header: &[&str], right: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if right.contains(&header[index]) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in table.lines() {
        println!("{}", line.trim_end());
    }
}

/// Bytes with a unit: 1.5 MB.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 || value >= 100.0 { format!("{value:.0} {}", UNITS[unit]) } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// A duration as h:mm:ss or m:ss.
pub(super) fn duration(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_and_durations_are_short() {
        assert_eq!(super::size(999), "999 B");
        assert_eq!(super::size(1500), "1.5 kB");
        assert_eq!(super::size(215_000_000), "215 MB");
        assert_eq!(super::duration(61), "1:01");
        assert_eq!(super::duration(3661), "1:01:01");
    }
}
