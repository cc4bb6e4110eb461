//! A text that stays within a limit. Pure.

/// The length of a text as the limit counts it: in UTF-16 units, of which there are never fewer than characters. GitHub
/// says "characters" and was seen to count bytes, four for each; a text within this limit is within both.
pub(crate) fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// A text that grows by whole pieces as long as there is room.
#[derive(Debug)]
pub(crate) struct Page {
    text: String,
    used: usize,
    limit: usize,
    /// Length of everything that was offered, for tests: what is rendered and thrown away costs time.
    #[cfg(test)]
    pub(crate) offered: usize,
}

impl Page {
    /// An empty page.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            text: String::new(),
            used: 0,
            limit,
            #[cfg(test)]
            offered: 0,
        }
    }

    /// What is left.
    pub(crate) fn room(&self) -> usize {
        self.limit.saturating_sub(self.used)
    }

    /// Adds a piece if it fits as a whole; tells whether it did.
    pub(crate) fn push(&mut self, piece: &str) -> bool {
        let piece = without_comments(piece);
        let length = length(&piece);
        #[cfg(test)]
        {
            self.offered += length;
        }
        let fits = length <= self.room();
        if fits {
            self.text.push_str(&piece);
            self.used += length;
        }
        fits
    }

    /// Makes sure that a new block begins.
    pub(crate) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.push("\n");
        }
    }

    /// The text.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// A text in which no HTML comment begins or ends: none of its values can look like the marker of a comment.
pub(crate) fn without_comments(text: &str) -> String {
    text.replace("<!--", "<\u{200b}!--").replace("-->", "--\u{200b}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_that_do_not_fit_are_left_out_as_a_whole() {
        let mut page = Page::new(6);
        assert!(page.push("abc"));
        assert!(!page.push("defg"));
        // Two units in UTF-16, one character.
        assert!(page.push("🌈"));
        assert!(!page.push("🌈"));
        assert!(page.push("x"));
        assert_eq!((page.room(), page.offered), (0, 12));
        assert_eq!(page.into_text(), "abc🌈x");
    }

    #[test]
    fn no_comment_of_html_begins_or_ends() {
        let mut page = Page::new(100);
        page.push("a <!-- b --> c");
        let text = page.into_text();
        assert!(!text.contains("<!--") && !text.contains("-->"), "{text}");
    }
}
