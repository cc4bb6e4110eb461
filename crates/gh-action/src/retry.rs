//! What an answer of GitHub's API means for the next request. Pure.
//!
//! The rules are those of <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api> and its page
//! on best practices.

/// Longest wait for one answer, in seconds. A limit that is lifted later is not waited for.
const LONGEST_WAIT: u64 = 90;

/// What GitHub asks for where a limit on bursts does not say how long it lasts, in seconds.
const USUAL_WAIT: u64 = 60;

/// The headers that matter, as they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Headers {
    /// `retry-after`, in seconds.
    pub(crate) retry_after: Option<u64>,
    /// `x-ratelimit-remaining`.
    pub(crate) remaining: Option<u64>,
    /// `x-ratelimit-reset`, in seconds since 1970.
    pub(crate) reset: Option<u64>,
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was done.
    Done,
    /// It was not done for now: again in so many seconds.
    Wait(u64),
    /// The server failed, perhaps after it did what was asked: again in so many seconds.
    Unsure(u64),
    /// A limit that lasts too long.
    Limited(u64),
    /// The token may not do this, or is none.
    Denied,
    /// It is not there (any more), or the token may not see it.
    Missing,
    /// Anything else; asking again would not help.
    Refused,
}

/// Judges an answer. `tries` were made before, `now` is in seconds since 1970.
pub(crate) fn verdict(status: u16, headers: &Headers, message: &str, tries: u32, now: u64) -> Verdict {
    let is_spent = headers.remaining == Some(0);
    let is_limit = headers.retry_after.is_some() || is_spent || message.to_lowercase().contains("rate limit");
    match status {
        200..=299 => Verdict::Done,
        429 => limit(headers, tries, now),
        403 if is_limit => limit(headers, tries, now),
        408 | 500..=599 => match headers.retry_after {
            Some(wait) if wait > LONGEST_WAIT => Verdict::Limited(wait),
            wait => Verdict::Unsure(wait.unwrap_or_else(|| backoff(tries))),
        },
        401 | 403 => Verdict::Denied,
        404 | 410 => Verdict::Missing,
        _ => Verdict::Refused,
    }
}

fn limit(headers: &Headers, tries: u32, now: u64) -> Verdict {
    let by_reset = headers.reset.filter(|_| headers.remaining == Some(0));
    let wait = match (headers.retry_after, by_reset) {
        (Some(wait), _) => wait,
        // One more: the second of the reset may be told rounded down.
        (None, Some(reset)) => reset.saturating_sub(now) + 1,
        (None, None) => (USUAL_WAIT << tries.min(6)).min(LONGEST_WAIT),
    };
    if wait > LONGEST_WAIT { Verdict::Limited(wait) } else { Verdict::Wait(wait) }
}

/// The wait after a failure, in seconds: 1, 2, 4, 8, ...
pub(crate) fn backoff(tries: u32) -> u64 {
    1 << tries.min(6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, headers: &Headers, message: &str) -> Verdict {
        verdict(status, headers, message, 0, 1_000)
    }

    #[test]
    fn limits_are_waited_for_as_the_answer_says() {
        let none = Headers::default();
        let after = |seconds| Headers { retry_after: Some(seconds), ..Headers::default() };
        let spent = |reset| Headers { remaining: Some(0), reset: Some(reset), ..Headers::default() };
        assert_eq!(judged(429, &after(7), ""), Verdict::Wait(7));
        assert_eq!(judged(403, &after(7), ""), Verdict::Wait(7));
        assert_eq!(judged(403, &spent(1_030), ""), Verdict::Wait(31));
        assert_eq!(judged(403, &spent(900), ""), Verdict::Wait(1));
        assert_eq!(judged(403, &spent(4_600), ""), Verdict::Limited(3_601));
        assert_eq!(judged(403, &none, "You have exceeded a secondary rate limit."), Verdict::Wait(60));
        assert_eq!(judged(429, &none, ""), Verdict::Wait(60));
        assert_eq!(verdict(429, &none, "", 2, 1_000), Verdict::Wait(LONGEST_WAIT));
        // A budget that is not spent says nothing about when to come back.
        let left = Headers { remaining: Some(5), reset: Some(1_030), ..Headers::default() };
        assert_eq!(judged(429, &left, ""), Verdict::Wait(60));
    }

    #[test]
    fn refusals_failures_and_the_rest_are_told_apart() {
        let none = Headers::default();
        assert_eq!(judged(201, &none, ""), Verdict::Done);
        assert_eq!(judged(403, &none, "Resource not accessible by integration"), Verdict::Denied);
        assert_eq!(judged(401, &none, "Bad credentials"), Verdict::Denied);
        assert_eq!(judged(404, &none, "Not Found"), Verdict::Missing);
        assert_eq!(judged(422, &none, "Validation Failed"), Verdict::Refused);
        assert_eq!(judged(302, &none, ""), Verdict::Refused);
        let waits: Vec<Verdict> = (0..4).map(|tries| verdict(502, &none, "", tries, 0)).collect();
        assert_eq!(waits, [1, 2, 4, 8].map(Verdict::Unsure));
        let busy = Headers { retry_after: Some(3_600), ..Headers::default() };
        assert_eq!(judged(503, &busy, ""), Verdict::Limited(3_600));
    }
}
