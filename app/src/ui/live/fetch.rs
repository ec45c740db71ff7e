//! One call to this server by the browser's `fetch`, with an answer that is read piece by piece and can be aborted.
//!
//! It compiles everywhere, so that pages need no conditions; it is only called by event handlers, which only a browser has.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, ReadableStreamDefaultReader, RequestCredentials, RequestInit, Response,
    TextDecodeOptions, TextDecoder,
};

thread_local! {
    // The browser's objects belong to its one thread, while signals want values that could be sent: so pages hold a number.
    static RUNNING: RefCell<HashMap<u32, AbortController>> = RefCell::default();
    static NEXT: Cell<u32> = const { Cell::new(0) };
}

/// A call under way, as a page keeps it: a number to abort it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call(u32);

impl Call {
    /// A new call, not yet sent.
    pub fn prepare() -> Self {
        Self(NEXT.with(|next| next.replace(next.get().wrapping_add(1))))
    }

    /// Ends it; the server cancels the upstream call. Nothing happens when it is over already.
    pub fn abort(self) {
        if let Some(controller) = RUNNING.with(|running| running.borrow_mut().remove(&self.0)) {
            controller.abort();
        }
    }
}

/// Why the answer did not arrive, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// By [`Call::abort`].
    Aborted,
    /// By the network, or a server that went away; the browser's words.
    Lost(String),
}

/// Aborts what is dropped unfinished, so that a page that is left cancels its calls.
struct Guard(Call);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An answer whose head has arrived.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case, in the browser's order.
    pub headers: Vec<(String, String)>,
    body: Option<ReadableStreamDefaultReader>,
    decoder: TextDecoder,
    _guard: Guard,
}

impl Answer {
    /// The value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// The next piece of the body as text (characters are never cut), `None` at its end.
    pub async fn piece(&mut self) -> Result<Option<String>, Broken> {
        let Some(reader) = &self.body else { return Ok(None) };
        let read = JsFuture::from(reader.read()).await.map_err(broken)?;
        let field = |name: &str| js_sys::Reflect::get(&read, &JsValue::from_str(name)).map_err(broken);
        if field("done")?.is_truthy() {
            self.body = None;
            let rest = self.decoder.decode().map_err(broken)?;
            return Ok(Some(rest).filter(|rest| !rest.is_empty()));
        }
        let options = TextDecodeOptions::new();
        options.set_stream(true);
        let bytes: js_sys::Object = field("value")?.unchecked_into();
        self.decoder.decode_with_buffer_source_and_options(&bytes, &options).map(Some).map_err(broken)
    }

    /// The whole rest of the body.
    pub async fn text(&mut self) -> Result<String, Broken> {
        let mut text = String::new();
        while let Some(piece) = self.piece().await? {
            text.push_str(&piece);
        }
        Ok(text)
    }
}

/// Posts JSON to a path of this site with the session's cookie, and waits for the head of the answer.
pub async fn post_json(call: Call, path: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer, Broken> {
    send(call, "POST", path, headers, Some(body)).await
}

/// Calls a path of this site with the session's cookie, and waits for the head of the answer. A body is JSON.
pub async fn send(
    call: Call,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Result<Answer, Broken> {
    let controller = AbortController::new().map_err(broken)?;
    let signal = controller.signal();
    RUNNING.with(|running| running.borrow_mut().insert(call.0, controller));
    let guard = Guard(call);

    let list = Headers::new().map_err(broken)?;
    let kind = body.map(|_| ("content-type", "application/json"));
    for (name, value) in kind.iter().chain(headers) {
        list.set(name, value).map_err(broken)?;
    }
    let init = RequestInit::new();
    init.set_method(method);
    init.set_credentials(RequestCredentials::SameOrigin);
    init.set_headers_headers(&list);
    if let Some(body) = body {
        init.set_body(&JsValue::from_str(body));
    }
    init.set_signal(Some(&signal));
    let Some(window) = web_sys::window() else { return Err(Broken::Lost("this is no browser".to_owned())) };
    let answer = JsFuture::from(window.fetch_with_str_and_init(path, &init)).await.map_err(broken)?;
    let answer: Response = answer.dyn_into().map_err(broken)?;
    Ok(Answer {
        status: answer.status(),
        headers: pairs(&answer.headers()),
        body: answer.body().map(|body| body.get_reader().unchecked_into()),
        decoder: TextDecoder::new().map_err(broken)?,
        _guard: guard,
    })
}

fn pairs(headers: &Headers) -> Vec<(String, String)> {
    let Ok(Some(entries)) = js_sys::try_iter(headers) else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let entry: js_sys::Array = entry.ok()?.dyn_into().ok()?;
            Some((entry.get(0).as_string()?, entry.get(1).as_string()?))
        })
        .collect()
}

fn broken(error: JsValue) -> Broken {
    let field = |name: &str| js_sys::Reflect::get(&error, &JsValue::from_str(name)).ok()?.as_string();
    if field("name").as_deref() == Some("AbortError") {
        return Broken::Aborted;
    }
    Broken::Lost(field("message").unwrap_or_else(|| "the connection was lost".to_owned()))
}
