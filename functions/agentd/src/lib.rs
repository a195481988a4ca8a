#![doc = include_str!("../README.md")]

mod answers;
mod config;
pub mod extension;
mod ready;
mod request;
mod server;

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use keyward_client::{BadSettings, KeywardClient, SecretsManager};
use keyward_lambda::config::ConfigError;
use keyward_lambda::diagnostic::chain;
use keyward_lambda::http::{Http, HttpError};
use keyward_lambda::logging;
use tokio::net::TcpListener;

pub use answers::Answers;
pub use config::{Config, Token};
pub use server::Server;

/// The sidecar does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// HTTP or TLS.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// How keys are kept.
    #[error(transparent)]
    Settings(#[from] BadSettings),
    /// The port.
    #[error("port {0} of 127.0.0.1 cannot be listened on: another process may have it")]
    Port(u16, #[source] std::io::Error),
    /// The runtime.
    #[error("the process cannot be set up")]
    Runtime(#[source] std::io::Error),
    /// Lambda.
    #[error(transparent)]
    Extension(#[from] extension::ExtensionError),
}

/// Sets logging up, and runs `main` on one thread. Whatever fails is logged, every problem of the configuration by itself.
pub fn started<F>(config: Result<Config, ConfigError>, main: F) -> ExitCode
where
    F: AsyncFnOnce(Config) -> Result<(), RunError>,
{
    let config = match config {
        Ok(config) => config,
        Err(refused) => {
            logging::install(tracing::Level::INFO);
            for problem in &refused.0 {
                let (variable, problem) = (problem.variable, problem.problem.as_str());
                tracing::error!(variable, problem, "the configuration is refused");
            }
            return ExitCode::FAILURE;
        }
    };
    logging::install(config.log);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime.map_err(RunError::Runtime);
    match ended.and_then(|runtime| runtime.block_on(main(config))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = chain(&error), "the sidecar stopped");
            ExitCode::FAILURE
        }
    }
}

/// Serves until the process ends; as an extension of a Lambda function, until Lambda shuts it down. `name` is what the process
/// was started as.
///
/// # Errors
/// [`RunError`].
pub async fn run(config: Config, name: &OsStr) -> Result<(), RunError> {
    let http = Http::new(&config.http)?;
    let connects = keyward_aws::CONNECT_TIMEOUT;
    let client = http.pooled_builder().connect_timeout(connects).build();
    let client = client.map_err(HttpError::Client)?;
    let aws = keyward_aws::loader(client).load().await;
    let source = Arc::new(SecretsManager::new(&aws));
    let keys = KeywardClient::new(source, config.settings)?;
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, config.port));
    let listener = TcpListener::bind(at).await;
    let listener = listener.map_err(|error| RunError::Port(config.port, error))?;
    tracing::info!(port = config.port, environment = %config.settings.environment, "keys are served");
    let server = Server::new(Answers::new(keys), config.token, config.max_connections);
    match config.runtime_api {
        None => server.serve(listener).await,
        Some(api) => {
            tokio::select! {
                () = server.serve(listener) => {}
                ended = extension::until_shutdown(http.pooled_builder(), &api, name) => ended?,
            }
        }
    }
    Ok(())
}
