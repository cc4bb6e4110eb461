//! What user code and programs print, cut into lines, where wanted until a mark.

use std::collections::VecDeque;

/// A longer line is cut into pieces of this many bytes.
const LONGEST_LINE: usize = 16 * 1024;
/// Lines that are remembered for the case that Python ends.
const LAST_LINES: usize = 20;

/// Takes bytes as they come and gives out lines.
#[derive(Debug)]
pub(crate) struct Prints {
    mark: Vec<u8>,
    held: Vec<u8>,
    last: VecDeque<String>,
}

impl Prints {
    /// Prints that go on until `mark`; without end if it is empty.
    pub(crate) fn new(mark: Vec<u8>) -> Self {
        Self { mark, held: Vec::new(), last: VecDeque::new() }
    }

    /// What ends a request, without the zero bytes around it.
    pub(crate) fn mark(&self) -> String {
        String::from_utf8_lossy(&self.mark).trim_matches('\0').to_owned()
    }

    /// Takes `bytes` and hands complete lines to `line`. Returns whether the mark came.
    pub(crate) fn take(&mut self, bytes: &[u8], line: &mut dyn FnMut(&str)) -> bool {
        let searched = self.held.len().saturating_sub(self.mark.len());
        self.held.extend_from_slice(bytes);
        let mark = find(&self.held[searched..], &self.mark).map(|place| place + searched);
        if let Some(place) = mark {
            let rest = self.held.split_off(place + self.mark.len());
            self.held.truncate(place);
            self.lines(line);
            self.flush(line);
            self.held = rest;
            return true;
        }
        self.lines(line);
        false
    }

    /// Hands out what is held back as a line.
    pub(crate) fn flush(&mut self, line: &mut dyn FnMut(&str)) {
        if !self.held.is_empty() {
            let rest = std::mem::take(&mut self.held);
            self.give(&rest, line);
        }
    }

    /// The last lines, oldest first.
    pub(crate) fn last(&self) -> String {
        let lines: Vec<&str> = self.last.iter().map(String::as_str).collect();
        lines.join("\n")
    }

    /// Forgets the last lines: they belong to a request that is over.
    pub(crate) fn forget(&mut self) {
        self.last.clear();
    }

    fn lines(&mut self, line: &mut dyn FnMut(&str)) {
        let held = std::mem::take(&mut self.held);
        let mut start = 0;
        while let Some(length) = held[start..].iter().position(|byte| *byte == b'\n') {
            self.give(&held[start..start + length], line);
            start += length + 1;
        }
        // A piece is given out only when more is held than a mark could need to be found.
        while held.len() - start > LONGEST_LINE + self.mark.len() {
            self.give(&held[start..start + LONGEST_LINE], line);
            start += LONGEST_LINE;
        }
        self.held = held[start..].to_vec();
    }

    fn give(&mut self, bytes: &[u8], line: &mut dyn FnMut(&str)) {
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_suffix('\r').unwrap_or(&text);
        line(text);
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(text.chars().take(1_000).collect());
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = wanted.first()?;
    let mut start = 0;
    while let Some(place) = bytes[start..].iter().position(|byte| byte == first) {
        if bytes[start + place..].starts_with(wanted) {
            return Some(start + place);
        }
        start += place + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(prints: &mut Prints, pieces: &[&[u8]]) -> (Vec<String>, bool) {
        let mut lines = Vec::new();
        let mut marked = false;
        for piece in pieces {
            marked = prints.take(piece, &mut |line| lines.push(line.to_owned()));
        }
        (lines, marked)
    }

    #[test]
    fn the_mark_is_found_wherever_it_is_cut() {
        let text = b"one\r\ntwo\0mark\0three\n";
        for cut in 0..text.len() {
            let mut prints = Prints::new(b"\0mark\0".to_vec());
            let mut lines = Vec::new();
            let first = prints.take(&text[..cut], &mut |line| lines.push(line.to_owned()));
            let second = prints.take(&text[cut..], &mut |line| lines.push(line.to_owned()));
            assert!(first || second, "cut at {cut}");
            assert_eq!(lines[..2], ["one", "two"], "cut at {cut}");
        }
    }

    #[test]
    fn what_comes_after_the_mark_belongs_to_the_next_request() {
        let mut prints = Prints::new(b"\0mark\0".to_vec());
        assert_eq!(collect(&mut prints, &[b"a\0mark\0b"]), (vec!["a".to_owned()], true));
        assert_eq!(collect(&mut prints, &[b"c\n"]), (vec!["bc".to_owned()], false));
        assert_eq!(prints.last(), "a\nbc");
    }

    #[test]
    fn a_line_without_end_is_not_held_back_for_ever() {
        let mut prints = Prints::new(b"\0mark\0".to_vec());
        let piece = [b'x'; 8 * 1024];
        let mut longest = 0;
        let mut lines = 0;
        for _ in 0..1_000 {
            prints.take(&piece, &mut |_| lines += 1);
            longest = longest.max(prints.held.len());
        }
        assert!(lines >= 499, "{lines}");
        assert!(longest < 32 * 1024, "{longest}");
    }
}
