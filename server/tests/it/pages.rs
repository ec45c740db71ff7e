//! The pages as the server draws them.

use futures::future::join_all;
use reqwest::header;

use crate::support::{Database, TestApp, answer, on_both};

on_both!(a_page_reads_everything_once,);

/// What a page has read goes to the browser with it, under the number of its place. A page that was drawn twice has read
/// twice, and the browser may wake it up with what the other drawing has read.
async fn a_page_reads_everything_once(database: Database) {
    let app = TestApp::start(&database).await;
    let browser = app.browser().await;
    // Many at once: what one thread has read may be there before another looks.
    for path in ["/", "/configure/models", "/configure/models/gpt-4o-mini", "/admin/audit", "/test/history", "/account"]
    {
        let pages = (0..40).map(|_| answer(app.client.get(app.url(path)).header(header::COOKIE, &browser.cookie)));
        for page in join_all(pages).await {
            let page = page.ok();
            let told = page.text.matches("__RESOLVED_RESOURCES[").count();
            // Who is signed in, and what the page is about.
            assert_eq!(told, 2, "{path}: {}", page.text);
        }
    }
}
