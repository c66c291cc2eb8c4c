//! Aligned tables without borders: names to the left, numbers to the right.

use comfy_table::{Cell, CellAlignment, ContentArrangement};

use super::{bold, paint};

/// A table under construction. A column whose title begins with `>` is aligned to the right.
pub(crate) struct Table {
    titles: Vec<(String, CellAlignment)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of these columns.
    pub(crate) fn new(titles: &[&str]) -> Self {
        let titles = titles.iter().map(|title| match title.strip_prefix('>') {
            Some(title) => (title.to_owned(), CellAlignment::Right),
            None => ((*title).to_owned(), CellAlignment::Left),
        });
        Self { titles: titles.collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) -> &mut Self {
        self.push(cells.into());
        self
    }

    /// Adds a row of a table whose columns are found out while running.
    pub(crate) fn push(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text; `none` where it is empty.
    pub(crate) fn text(&self, none: &str) -> String {
        if self.is_empty() {
            return none.to_owned();
        }
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        let header = self.titles.iter().map(|(title, _)| title.to_uppercase());
        table.set_header(header);
        for row in &self.rows {
            let cells = row.iter().map(Cell::new);
            table.add_row(cells);
        }
        for (column, (_, alignment)) in table.column_iter_mut().zip(&self.titles) {
            column.set_cell_alignment(*alignment);
            column.set_padding((0, 2));
        }
        let text = table.to_string();
        let mut lines = text.lines().map(str::trim_end);
        let mut laid_out = lines.next().map(bold).unwrap_or_default();
        for line in lines {
            laid_out.push('\n');
            laid_out.push_str(&paint(line));
        }
        laid_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_aligned_to_the_right() {
        let mut table = Table::new(&["partner", ">points"]);
        table.row(["harbor-hotels".into(), "1,234".into()]).row(["rover".into(), "5".into()]);
        let plain = anstream::adapter::strip_str(&table.text("none")).to_string();
        assert_eq!(plain, "PARTNER        POINTS\nharbor-hotels   1,234\nrover               5");
    }
}
