//! Made-up APIs over HTTP on this machine.

use axum::Router;

use crate::Result;

/// Serves until the process ends, and returns where: `http://127.0.0.1:<port>`.
pub(crate) async fn serve(router: Router) -> Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(origin)
}
