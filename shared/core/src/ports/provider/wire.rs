//! How an error is told from one function to another.

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ProviderError;
use crate::model::names::OperationId;
use crate::model::text::OutsideText;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Error {
    RetryAfter {
        seconds: Option<i64>,
        detail: OutsideText,
    },
    Ambiguous {
        detail: OutsideText,
    },
    UnderWay(OperationId),
    NotFound,
    LimitReached {
        detail: OutsideText,
    },
    Refused {
        detail: OutsideText,
    },
    AdminCredential {
        detail: OutsideText,
    },
}

impl Serialize for ProviderError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Error::from(self.clone()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ProviderError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Error::deserialize(deserializer)?.into())
    }
}

impl From<ProviderError> for Error {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::RetryAfter { after, detail } => Self::RetryAfter {
                seconds: after.map(|after| after.as_secs()),
                detail,
            },
            ProviderError::Ambiguous { detail } => Self::Ambiguous { detail },
            ProviderError::UnderWay(operation) => Self::UnderWay(operation),
            ProviderError::NotFound => Self::NotFound,
            ProviderError::LimitReached { detail } => Self::LimitReached { detail },
            ProviderError::Refused { detail } => Self::Refused { detail },
            ProviderError::AdminCredential { detail } => Self::AdminCredential { detail },
            // What cannot be done is not done now or later either.
            never @ (ProviderError::Unsupported(_) | ProviderError::ReadOnly(_)) => Self::Refused {
                detail: OutsideText::new(&never.to_string()),
            },
        }
    }
}

impl From<Error> for ProviderError {
    fn from(error: Error) -> Self {
        match error {
            Error::RetryAfter { seconds, detail } => Self::RetryAfter {
                after: seconds.map(SignedDuration::from_secs),
                detail,
            },
            Error::Ambiguous { detail } => Self::Ambiguous { detail },
            Error::UnderWay(operation) => Self::UnderWay(operation),
            Error::NotFound => Self::NotFound,
            Error::LimitReached { detail } => Self::LimitReached { detail },
            Error::Refused { detail } => Self::Refused { detail },
            Error::AdminCredential { detail } => Self::AdminCredential { detail },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_told_from_one_function_to_another_means_the_same() {
        let detail = OutsideText::new("slow down");
        for error in [
            ProviderError::RetryAfter {
                after: Some(SignedDuration::from_secs(20)),
                detail: detail.clone(),
            },
            ProviderError::Ambiguous {
                detail: detail.clone(),
            },
            ProviderError::UnderWay("operation-1".parse().unwrap()),
            ProviderError::NotFound,
            ProviderError::LimitReached {
                detail: detail.clone(),
            },
            ProviderError::AdminCredential { detail },
        ] {
            let told: ProviderError = serde_json::from_value(serde_json::json!(error)).unwrap();
            assert_eq!(told, error);
        }
        let never = ProviderError::Unsupported("resume a key");
        let told: ProviderError = serde_json::from_value(serde_json::json!(never)).unwrap();
        assert_eq!(told.advice(), never.advice());
        assert!(told.to_string().contains("cannot resume a key"), "{told}");
    }
}
