//! Plain SVG without scripts, foreign fonts or references, on a card of its own, so that it reads the same on a light
//! and on a dark page.

use std::fmt::{Display, Write as _};

/// What a document begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) font_size: u32,
    pub(crate) title: &'a str,
    /// The picture in words, for screen readers.
    pub(crate) description: Option<&'a str>,
    /// CSS, with a class `card`.
    pub(crate) style: &'a str,
}

/// The document as it grows. Writing to a `String` can't fail.
#[derive(Debug)]
pub(crate) struct Svg(String);

impl Svg {
    /// Begins a document; its card is drawn.
    pub(crate) fn open(opening: Opening<'_>) -> Self {
        let Opening { width, height, font_size, title, description, style } = opening;
        let labelled_by = if description.is_some() { "title desc" } else { "title" };
        let description = description.map_or_else(String::new, |text| format!("<desc id=\"desc\">{text}</desc>\n"));
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" aria-labelledby=\"{labelled_by}\" \
             font-family=\"system-ui, sans-serif\" font-size=\"{font_size}\">\n\
             <title id=\"title\">{title}</title>\n{description}<style>{style}</style>\n\
             <rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
            width - 1.0,
            height - 1.0,
        ))
    }

    /// The whole document.
    pub(crate) fn close(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }

    /// A line of text. `text` holds nothing that XML would have to escape.
    pub(crate) fn text(&mut self, class: &str, x: f64, y: f64, anchor: &str, text: impl Display) {
        let _infallible = writeln!(
            self.0,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    /// Draws in a group with these attributes.
    pub(crate) fn group(&mut self, attributes: &str, draw: impl FnOnce(&mut Self)) {
        let _infallible = write!(self.0, "<g {attributes}>");
        draw(self);
        self.0.push_str("</g>\n");
    }

    /// A line from one point to another.
    pub(crate) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let _infallible =
            writeln!(self.0, "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>");
    }

    /// A line through all points.
    pub(crate) fn polyline(&mut self, class: &str, points: impl Iterator<Item = (f64, f64)>) {
        let _infallible = write!(self.0, "<polyline class=\"{class}\" points=\"");
        for (x, y) in points {
            let _infallible = write!(self.0, "{x:.1},{y:.1} ");
        }
        self.0.push_str("\"/>\n");
    }

    /// A rectangle from its upper left corner, with corners of this radius.
    pub(crate) fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), radius: u32) {
        let _infallible = writeln!(
            self.0,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
             rx=\"{radius}\"/>"
        );
    }
}
