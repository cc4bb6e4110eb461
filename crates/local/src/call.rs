//! One call of the API: its errors in CloudFormation's words, and what every verb asks of the state first.

use runway_core::provider::{ErrorKind, Place, ProviderError, StackRef};

use crate::error::LocalError;
use crate::state::{Stack, State};

/// One call: what it is and what it is about, for its errors.
#[derive(Clone)]
pub(crate) struct Call {
    pub operation: &'static str,
    pub target: String,
}

/// A failure inside a change of the state.
pub(crate) enum Refusal {
    Provider(ProviderError),
    Local(LocalError),
}

impl From<LocalError> for Refusal {
    fn from(error: LocalError) -> Self {
        Self::Local(error)
    }
}

impl From<ProviderError> for Refusal {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

impl Call {
    pub(crate) fn new(operation: &'static str, stack: &StackRef) -> Self {
        Self { operation, target: stack.as_str().to_owned() }
    }

    pub(crate) fn error(&self, kind: ErrorKind, message: impl Into<String>) -> ProviderError {
        ProviderError::new(kind, self.operation, self.target.clone(), message)
    }

    pub(crate) fn validation(&self, message: impl AsRef<str>) -> ProviderError {
        self.error(ErrorKind::Validation, format!("ValidationError: {}", message.as_ref()))
    }

    pub(crate) fn missing(&self) -> ProviderError {
        let message = format!("ValidationError: Stack [{}] does not exist", self.target);
        self.error(ErrorKind::NotFound, message)
    }

    pub(crate) fn local(&self, error: &LocalError) -> ProviderError {
        error.during(self.operation, &self.target)
    }

    pub(crate) fn refusal(&self, refusal: Refusal) -> ProviderError {
        match refusal {
            Refusal::Provider(error) => error,
            Refusal::Local(error) => self.local(&error),
        }
    }

    /// Where the page of a token begins; without one, at the beginning.
    pub(crate) fn place_of(&self, page: Option<&str>) -> Result<usize, ProviderError> {
        let Some(token) = page else { return Ok(0) };
        token.parse().map_err(|_| self.validation(format!("Invalid pagination token: {token}")))
    }

    pub(crate) fn find(
        &self,
        state: &State,
        stack: &StackRef,
        place: &Place,
    ) -> Result<usize, ProviderError> {
        let live = |index: &usize| state.stacks.get(*index).is_some_and(Stack::is_live);
        state.find(stack, place).filter(live).ok_or_else(|| self.missing())
    }

    /// Whether this very request was taken before.
    ///
    /// # Errors
    /// If the token stood for another request.
    pub(crate) fn is_repeated(
        &self,
        stack: &Stack,
        token: &str,
        digest: &str,
    ) -> Result<bool, ProviderError> {
        match stack.tokens.iter().find(|(known, _)| known == token).map(|(_, digest)| digest) {
            Some(known) if known == digest => Ok(true),
            Some(_) => {
                let message =
                    format!("TokenAlreadyExistsException: A client request token already exists: {token}");
                Err(self.error(ErrorKind::Validation, message))
            }
            None => Ok(false),
        }
    }
}
