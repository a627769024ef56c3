//! What every request passes before anything else, and what every answer carries.

use super::{App, api, bearer, session_hash};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Nothing but our own script, style and requests; no frames, no plugins, no inline code.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Requests a second that one session or address may send on average, and at once.
const RATE: f64 = 20.0;
const BURST: f64 = 100.0;
/// Callers remembered; beyond it those who have not asked for long are forgotten.
const CALLERS: usize = 100_000;
/// Most bytes taken in of the body of a request that is refused.
const READ_OFF: usize = 1 << 16;

/// The names under which the service may be asked. A page elsewhere that makes its own name point here is refused.
pub struct Hosts {
    names: Vec<String>,
    /// Where it listens on every address, any of the machine's numbers will do, with this port.
    any_number: Option<u16>,
}

impl Hosts {
    /// The names of an address and of the address that people type.
    pub fn of(address: SocketAddr, public_url: Option<&str>) -> Self {
        let port = address.port();
        let mut names = vec![address.to_string()];
        if address.ip().is_loopback() {
            names.extend([format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")]);
        }
        let of_url = public_url.and_then(|url| url.split("://").nth(1)).and_then(|rest| rest.split('/').next());
        names.extend(of_url.map(str::to_lowercase));
        Self { names, any_number: (!address.ip().is_loopback()).then_some(port) }
    }

    fn know(&self, host: &str) -> bool {
        let number = host.parse::<SocketAddr>().ok().map(|address| address.port());
        self.names.contains(&host.to_lowercase()) || (number.is_some() && number == self.any_number)
    }
}

/// Token buckets, one for each session or address.
#[derive(Default)]
pub struct Limiter {
    buckets: HashMap<String, (f64, Option<Instant>)>,
}

impl Limiter {
    /// Whether one more request is within the limit.
    fn takes(&mut self, caller: String, now: Instant) -> bool {
        if self.buckets.len() >= CALLERS {
            let idle =
                |last: &Option<Instant>| last.is_some_and(|at| now.duration_since(at).as_secs_f64() > BURST / RATE);
            self.buckets.retain(|_, (_, last)| !idle(last));
            // More addresses than are forgotten: better that all start afresh than that memory runs out.
            if self.buckets.len() >= CALLERS {
                self.buckets.clear();
            }
        }
        let (left, last) = self.buckets.entry(caller).or_insert((BURST, None));
        let since = last.map_or(0.0, |at| now.duration_since(at).as_secs_f64());
        (*left, *last) = ((*left + RATE * since).min(BURST), Some(now));
        if *left < 1.0 {
            return false;
        }
        *left -= 1.0;
        true
    }
}

/// Whether a request that changes something comes from a page of ours. Browsers send `Sec-Fetch-Site` or `Origin` with every
/// post; a program that sends neither has no business with a cookie.
fn same_origin(headers: &HeaderMap, host: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let origin = text("origin").and_then(|origin| origin.split("://").nth(1));
    origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host))
}

/// Checks host, origin and rate, and sets the headers of the answer.
pub async fn guard(
    State(app): State<Arc<App>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match refused(&app, from.ip(), &request) {
        Some(response) => {
            read_off(request).await;
            response
        }
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Takes in the body of a refused request as far as that is cheap. A connection that closes with a body unread is reset, and
/// whoever sent it, or sends something else over the same connection, sees no answer at all.
async fn read_off(request: Request) {
    let body = axum::body::to_bytes(request.into_body(), READ_OFF);
    // Too much of it, or too slow: then they see the connection closed.
    drop(tokio::time::timeout(Duration::from_secs(2), body).await);
}

fn refused(app: &App, from: IpAddr, request: &Request) -> Option<Response> {
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !app.hosts.know(host) {
        let what = format!("this service does not answer to {host:?}; start it with --public-url for another name");
        return Some(api::error(StatusCode::MISDIRECTED_REQUEST, "host", &what));
    }
    let changes = ![Method::GET, Method::HEAD].contains(request.method());
    if changes && bearer(headers).is_none() && !same_origin(headers, host) {
        return Some(api::error(StatusCode::FORBIDDEN, "origin", "this was sent by another site's page"));
    }
    let limiter = app.limiter.as_ref()?;
    let good = session_hash(headers).filter(|session| app.known_sessions().contains(session));
    let caller = good.unwrap_or_else(|| from.to_string());
    // A poisoned lock means that a thread died in the ten lines above it; counting goes on.
    let mut limiter = limiter.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !limiter.takes(caller, Instant::now()) {
        let answer = api::error(StatusCode::TOO_MANY_REQUESTS, "rate", "too many requests; wait a second");
        return Some(([(header::RETRY_AFTER, "1")], answer).into_response());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let (mut limiter, start) = (Limiter::default(), Instant::now());
        let taken = (0..200).filter(|_| limiter.takes("a".into(), start)).count();
        assert_eq!(taken as f64, BURST);
        assert!(limiter.takes("b".into(), start), "another caller has a bucket of its own");
        let later = start + Duration::from_millis(500);
        assert_eq!((0..200).filter(|_| limiter.takes("a".into(), later)).count() as f64, RATE / 2.0);
    }

    #[test]
    fn only_known_hosts_are_answered() {
        let local = Hosts::of("127.0.0.1:8080".parse().unwrap(), Some("https://Label.example.org/x"));
        assert!(local.know("localhost:8080") && local.know("127.0.0.1:8080") && local.know("label.example.org"));
        assert!(!local.know("evil.example.org") && !local.know("10.0.0.1:8080") && !local.know(""));
        let open = Hosts::of("0.0.0.0:8080".parse().unwrap(), None);
        assert!(open.know("10.0.0.1:8080") && !open.know("10.0.0.1:80") && !open.know("rebound.example.org:8080"));
    }

    #[test]
    fn a_forged_post_is_seen() {
        let with = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            same_origin(&headers, "localhost:1")
        };
        assert!(with(&[("origin", "http://localhost:1")]) && with(&[("sec-fetch-site", "same-origin")]));
        assert!(!with(&[("origin", "http://evil.example.org")]) && !with(&[("origin", "null")]) && !with(&[]));
        assert!(!with(&[("sec-fetch-site", "cross-site"), ("origin", "http://localhost:1")]));
    }
}
