//! What the sidecar is told, by environment variables.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use keyward_client::{Environment, Settings};
use keyward_lambda::config::{ConfigError, Problem};
use keyward_lambda::http::HttpSettings;
use secrecy::{ExposeSecret, SecretString};
use tracing::Level;

/// Where the token is, in order: as AWS's agent looks for it.
const TOKENS: [&str; 3] = [
    "AWS_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
];

const PORT: u16 = 2773;

const MAX_CONNECTIONS: usize = 800;

/// For one call of AWS.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What whoever asks must know. Wiped when it is dropped.
pub struct Token(SecretString);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([hidden])")
    }
}

impl Token {
    /// Takes the token. `None` if it is empty, or cannot stand in a header.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let can_be = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        can_be.then(|| Self(SecretString::from(Box::<str>::from(text))))
    }

    /// Whether a header holds the token. Takes as long whatever is in it.
    pub fn is(&self, given: &[u8]) -> bool {
        let known = self.0.expose_secret().as_bytes();
        aws_lc_rs::constant_time::verify_slices_are_equal(known, given).is_ok()
    }
}

/// What the sidecar is told.
#[derive(Debug)]
pub struct Config {
    /// What it listens on, at 127.0.0.1.
    pub port: u16,
    /// How keys are kept.
    pub settings: Settings,
    /// What whoever asks must know.
    pub token: Token,
    /// Connections at the same time.
    pub max_connections: usize,
    /// How AWS is called.
    pub http: HttpSettings,
    /// What is logged.
    pub log: Level,
    /// Where Lambda is told of extensions, in a Lambda function.
    pub runtime_api: Option<String>,
}

impl Config {
    /// Reads every variable, by `lookup`, and the token's file, by `read`, where the token is in one.
    ///
    /// # Errors
    /// [`ConfigError`]: all problems together.
    pub fn from_lookup(
        lookup: impl Fn(&str) -> Option<String>,
        read: impl Fn(&str) -> io::Result<String>,
    ) -> Result<Self, ConfigError> {
        let mut problems = Problems(Vec::new());
        let look = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let environment = "KEYWARD_ENVIRONMENT";
        let environment = match look(environment) {
            Some(text) => {
                problems.parsed::<Environment>(environment, &text, "one of dev, staging and prod")
            }
            None => problems.add(
                environment,
                "it must say where this process runs: dev, staging or prod",
            ),
        };
        let mut settings = Settings::of(environment.unwrap_or(Environment::Dev));
        if let Some(text) = look("KEYWARD_LEASE_MINUTES") {
            let minutes = problems.parsed::<u32>("KEYWARD_LEASE_MINUTES", &text, "whole minutes");
            settings.lease = Duration::from_secs(60 * u64::from(minutes.unwrap_or(110)));
        }
        if let Err(bad) = settings.check() {
            problems.add::<()>("KEYWARD_LEASE_MINUTES", &bad.to_string());
        }
        let number = |problems: &mut Problems, name, usual, least, most| {
            let Some(text) = look(name) else { return usual };
            let rule = format!("a number from {least} to {most}");
            let number = problems.parsed::<usize>(name, &text, &rule);
            match number {
                Some(number) if !(least..=most).contains(&number) => {
                    problems.add::<()>(name, &rule);
                    usual
                }
                number => number.unwrap_or(usual),
            }
        };
        let port = number(
            &mut problems,
            "KEYWARD_PORT",
            usize::from(PORT),
            1024,
            65535,
        );
        let max_connections = number(
            &mut problems,
            "KEYWARD_MAX_CONNECTIONS",
            MAX_CONNECTIONS,
            1,
            1000,
        );
        let log = match look("KEYWARD_LOG") {
            Some(text) => {
                problems.parsed::<Level>("KEYWARD_LOG", &text, "error, warn, info, debug or trace")
            }
            None => Some(Level::INFO),
        };
        let token = problems.token(&look, read);
        match (token, log, environment) {
            (Some(token), Some(log), Some(_)) if problems.0.is_empty() => Ok(Self {
                port: u16::try_from(port).unwrap_or(PORT),
                settings,
                token,
                max_connections,
                http: HttpSettings {
                    extra_roots: look("KEYWARD_EXTRA_ROOTS").map(PathBuf::from),
                    timeout: TIMEOUT,
                },
                log,
                runtime_api: look("AWS_LAMBDA_RUNTIME_API"),
            }),
            _ => Err(ConfigError(problems.0)),
        }
    }
}

struct Problems(Vec<Problem>);

impl Problems {
    fn add<T>(&mut self, variable: &'static str, problem: &str) -> Option<T> {
        let problem = problem.to_owned();
        self.0.push(Problem { variable, problem });
        None
    }

    fn parsed<T: FromStr>(&mut self, name: &'static str, text: &str, rule: &str) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(_) => self.add(name, &format!("it must be {rule}")),
        }
    }

    /// The first of the variables that is set, or the file that it names as `file://…`.
    fn token(
        &mut self,
        look: &impl Fn(&str) -> Option<String>,
        read: impl Fn(&str) -> io::Result<String>,
    ) -> Option<Token> {
        let found = TOKENS
            .into_iter()
            .find_map(|name| Some((name, look(name)?)));
        let Some((name, value)) = found else {
            return self.add(
                TOKENS[0],
                "it must hold the token, or file:// and the path of a file that does",
            );
        };
        let text = match value.strip_prefix("file://") {
            None => Ok(value.clone()),
            Some(path) => read(path),
        };
        match text {
            Err(error) => self.add(name, &format!("its file cannot be read: {}", error.kind())),
            Ok(text) => match Token::new(&text) {
                Some(token) => Some(token),
                None => self.add(name, "the token is empty, or cannot stand in a header"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(values: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let look = |name: &str| {
            let found = values.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let read = |path: &str| match path {
            "/run/token" => Ok("EXAMPLE-from-file\n".to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        };
        Config::from_lookup(look, read)
    }

    #[test]
    fn it_is_told_where_it_runs_and_the_token_and_need_be_told_no_more() {
        let config = config(&[("KEYWARD_ENVIRONMENT", "prod"), ("AWS_TOKEN", "EXAMPLE")]).unwrap();
        assert_eq!((config.port, config.max_connections), (2773, 800));
        assert_eq!(config.settings, Settings::of(Environment::Prod));
        assert!(config.token.is(b"EXAMPLE") && !config.token.is(b"EXAMPLe"));
        assert!(!config.token.is(b"") && !config.token.is(b"EXAMPLE "));
        assert_eq!(format!("{:?}", config.token), "Token([hidden])");
    }

    #[test]
    fn the_token_is_looked_for_as_awss_agent_does() {
        let prod = ("KEYWARD_ENVIRONMENT", "prod");
        for (variables, token) in [
            (
                &[prod, ("AWS_SESSION_TOKEN", "two"), ("AWS_TOKEN", "one")][..],
                "one",
            ),
            (
                &[
                    prod,
                    ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "three"),
                    ("AWS_SESSION_TOKEN", "two"),
                ],
                "two",
            ),
            (
                &[
                    prod,
                    ("AWS_TOKEN", ""),
                    ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "three"),
                ],
                "three",
            ),
            (
                &[prod, ("AWS_TOKEN", "file:///run/token")],
                "EXAMPLE-from-file",
            ),
        ] {
            assert!(
                config(variables).unwrap().token.is(token.as_bytes()),
                "{token}"
            );
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_together() {
        let refused = config(&[
            ("KEYWARD_ENVIRONMENT", "Production"),
            ("AWS_TOKEN", "file:///nowhere"),
            ("KEYWARD_PORT", "80"),
            ("KEYWARD_MAX_CONNECTIONS", "many"),
            ("KEYWARD_LEASE_MINUTES", "60"),
            ("KEYWARD_LOG", "all"),
        ]);
        let refused = refused.unwrap_err().0;
        let variables: Vec<_> = refused.iter().map(|problem| problem.variable).collect();
        assert_eq!(
            variables,
            [
                "KEYWARD_ENVIRONMENT",
                "KEYWARD_LEASE_MINUTES",
                "KEYWARD_PORT",
                "KEYWARD_MAX_CONNECTIONS",
                "KEYWARD_LOG",
                "AWS_TOKEN"
            ]
        );
        let nothing: Vec<_> = config(&[]).unwrap_err().0;
        assert_eq!(nothing.len(), 2);
    }
}
