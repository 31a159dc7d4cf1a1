//! Pages as a browser gets them: when, with which headers, and that nothing a user wrote becomes a part of them.

use crate::support::{json, problem, shared};
use reqwest::{Method, Response};
use serde_json::{Value, json};

const CHROME: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8";
const HOSTILE: &str = "<script>alert('x')</script>\"'&<img src=x onerror=alert(1)>";

async fn link(target: &str) -> String {
    link_with(target, json!({})).await
}

async fn link_with(target: &str, terms: Value) -> String {
    let mut asked = terms;
    asked["target"] = target.into();
    let share = json(shared().post("/v1/shares", &asked).await, 201).await;
    share["url"].as_str().unwrap().to_owned()
}

async fn visit(url: &str) -> Response {
    shared().anonymous(Method::GET, url).header("accept", CHROME).send().await.unwrap()
}

/// The page, once its headers are those of all pages.
async fn page(url: &str, status: u16) -> String {
    let answer = visit(url).await;
    assert_eq!(answer.status().as_u16(), status, "{url}");
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    let policy = header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("cache-control"), "no-store");
    assert!(header("x-robots-tag").contains("noindex"));
    let text = answer.text().await.unwrap();
    // What the policy forbids is not there to begin with.
    for forbidden in ["<style", " style=", " onclick=", "<script>", "javascript:", "<img src=x"] {
        assert!(!text.contains(forbidden), "{forbidden} in {text}");
    }
    text
}

#[tokio::test]
async fn a_browser_gets_a_page_and_a_program_the_bytes() {
    shared().put("/v1/tables/pages-kinds", "a,b\n1,x\n2,y\n").await;
    let url = link("/v1/tables/pages-kinds").await;
    let text = page(&url, 200).await;
    for part in [
        "<h1>pages-kinds</h1>",
        "2 rows × 2 columns",
        "pages-kinds.csv",
        "pages-kinds.parquet",
        "Link ends",
        "<td>x</td>",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    for accept in ["*/*", "text/csv", "application/json"] {
        let answer = shared().anonymous(Method::GET, &url).header("accept", accept).send().await.unwrap();
        assert!(!answer.headers()["content-type"].to_str().unwrap().contains("html"), "{accept}");
    }
    // A name says what is wanted, and so does a query.
    for path in ["/pages-kinds.csv", "?select=a"] {
        let answer = visit(&format!("{url}{path}")).await;
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/csv"), "{path}");
    }
    let head = shared().anonymous(Method::HEAD, &url).header("accept", CHROME).send().await.unwrap();
    assert_eq!(
        (head.status().as_u16(), head.headers()["content-type"].to_str().unwrap()),
        (200, "text/html; charset=utf-8")
    );
}

#[tokio::test]
async fn nothing_that_a_user_wrote_becomes_a_part_of_a_page() {
    let larder = shared();
    let name = "pages/%3Cscript%3Ealert%281%29%3C%2Fscript%3E%22'%3Cimg%20src=x%3E.txt";
    json(larder.put(&format!("/v1/blobs/{name}"), HOSTILE).await, 201).await;
    let quoted = HOSTILE.replace('"', "\"\"");
    json(
        larder.put("/v1/tables/pages-hostile", format!("\"{quoted}\",n\n\"{quoted}\",1\n\"{quoted}\",2\n")).await,
        201,
    )
    .await;
    let document = json!({ HOSTILE: HOSTILE, "list": [HOSTILE, { HOSTILE: null }] });
    let put = larder.put("/v1/documents/pages/%3Cscript%3Ealert%281%29", document.to_string()).await;
    json(put, 201).await;
    json(larder.put("/v1/blobs/pages/hostile.json", document.to_string()).await, 201).await;
    for target in [
        format!("/v1/blobs/{name}"),
        "/v1/tables/pages-hostile".to_owned(),
        "/v1/documents/pages/%3Cscript%3Ealert%281%29".to_owned(),
        "/v1/blobs/pages/hostile.json".to_owned(),
    ] {
        let text = page(&link(&target).await, 200).await;
        assert!(text.contains("&lt;script&gt;alert("), "{target}: {text}");
    }
}

#[tokio::test]
async fn a_problem_is_a_page_to_a_browser_alone() {
    let larder = shared();
    larder.put("/v1/tables/pages-over", "a\n1\n").await;
    let share = json(larder.post("/v1/shares", &json!({ "target": "/v1/tables/pages-over" })).await, 201).await;
    larder.delete(&format!("/v1/shares/{}", share["id"].as_str().unwrap())).await;
    let url = share["url"].as_str().unwrap();
    let text = page(url, 410).await;
    assert!(text.contains("This link is no longer available"), "{text}");
    assert!(!text.contains("pages-over") && !text.contains("og:"), "{text}");
    problem(larder.anonymous(Method::GET, url).send().await.unwrap(), 410, "gone").await;
    assert!(page("/s/nothing", 404).await.contains("This link leads nowhere"));
    assert!(page("/assets/nothing.css", 404).await.contains("There is nothing here"));
    let private = visit("/v1/blobs/pages/x").await;
    assert_eq!((private.status().as_u16(), private.headers().contains_key("www-authenticate")), (401, true));
    assert_eq!(private.headers()["content-type"], "text/html; charset=utf-8");
}

#[tokio::test]
async fn pictures_are_shown_from_our_own_origin_and_sandboxed() {
    let larder = shared();
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    json(larder.put("/v1/blobs/pages/picture.svg", svg).await, 201).await;
    let url = link("/v1/blobs/pages/picture.svg").await;
    let text = page(&url, 200).await;
    let path = url.strip_prefix(&larder.url).unwrap();
    assert!(text.contains(&format!("<img src=\"{path}?preview\" alt=\"picture.svg\"")), "{text}");
    assert!(text.contains(&format!("<meta property=\"og:image\" content=\"{url}?preview\">")), "{text}");
    let shown = larder.anonymous(Method::GET, &format!("{url}?preview")).send().await.unwrap();
    assert_eq!(shown.status(), 200);
    for (name, value) in [
        ("content-security-policy", "sandbox"),
        ("x-content-type-options", "nosniff"),
        ("content-type", "image/svg+xml"),
    ] {
        assert_eq!(shown.headers()[name], value);
    }
    assert!(shown.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
}

#[tokio::test]
async fn a_pdf_is_shown_by_the_browsers_own_viewer_and_its_page_alone_may_embed_it() {
    let larder = shared();
    let policy = async |url: &str| visit(url).await.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let embeds = "; frame-src 'self'; object-src 'self'";
    json(larder.put("/v1/blobs/pages/report.pdf", "%PDF-1.4\n").await, 201).await;
    let url = link("/v1/blobs/pages/report.pdf").await;
    let text = page(&url, 200).await;
    let shown = format!("{}?preview", url.strip_prefix(&larder.url).unwrap());
    let viewer = format!("<object type=\"application/pdf\" data=\"{shown}\" aria-label=\"report.pdf\">");
    assert!(text.contains(&viewer) && text.contains(&format!("<a href=\"{shown}\">Open it by itself</a>")), "{text}");
    assert!(policy(&url).await.ends_with(embeds));
    let bytes = larder.anonymous(Method::GET, &format!("{url}?preview")).send().await.unwrap();
    for (name, value) in [
        ("content-type", "application/pdf"),
        ("content-security-policy", "sandbox"),
        ("x-content-type-options", "nosniff"),
        ("accept-ranges", "bytes"),
        ("content-disposition", "inline; filename=\"report.pdf\"; filename*=UTF-8''report%2Epdf"),
    ] {
        assert_eq!(bytes.headers()[name], value);
    }
    assert_eq!(bytes.text().await.unwrap(), "%PDF-1.4\n");
    for terms in [json!({ "allow": ["download"] }), json!({ "max_downloads": 1 })] {
        let url = link_with("/v1/blobs/pages/report.pdf", terms).await;
        assert!(!page(&url, 200).await.contains("<object") && !policy(&url).await.contains(embeds));
    }
    json(larder.put("/v1/blobs/pages/other.txt", "x").await, 201).await;
    assert!(!policy(&link("/v1/blobs/pages/other.txt").await).await.contains(embeds));
}

#[tokio::test]
async fn a_browser_signs_in_by_a_page_and_comes_back_to_where_it_was() {
    let larder = shared();
    let asked = page("/v1/blobs/pages?x=1&y=2", 401).await;
    let address = "/login?next=%2Fv1%2Fblobs%2Fpages%3Fx%3D1%26y%3D2";
    assert!(asked.contains(&format!("<a class=\"button main\" href=\"{address}\">Sign in</a>")), "{asked}");
    let text = page(address, 200).await;
    for part in [
        &format!("<form method=\"post\" action=\"{address}\">"),
        "<input type=\"hidden\" name=\"next\" value=\"/v1/blobs/pages?x=1&amp;y=2\">",
        "<label for=\"token\">",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    for elsewhere in ["/login", "/login?next=https://example.org/", "/login?next=//example.org"] {
        let text = page(elsewhere, 200).await;
        assert!(text.contains("action=\"/login\"") && !text.contains("name=\"next\""), "{text}");
    }
    let send = async |token: &str| {
        let form = [("token", token), ("next", "/v1/blobs/pages?x=1&y=2")];
        larder.anonymous(Method::POST, address).header("accept", CHROME).form(&form).send().await.unwrap()
    };
    let wrong = send("larder_wrong").await;
    assert_eq!((wrong.status().as_u16(), wrong.headers().contains_key("www-authenticate")), (403, false));
    let text = wrong.text().await.unwrap();
    assert!(
        text.contains("That is no valid token.") && text.contains(address) && !text.contains("larder_wrong"),
        "{text}"
    );
    let right = send(&larder.token).await;
    assert_eq!(
        (right.status().as_u16(), right.headers()["location"].to_str().unwrap()),
        (303, "/v1/blobs/pages?x=1&y=2")
    );
}

#[tokio::test]
async fn every_kind_of_problem_has_a_page_and_programs_get_json() {
    let text = page("/problems", 200).await;
    for kind in larder::http::PROBLEMS {
        assert!(text.contains(&format!("<a href=\"/problems/{}\">", kind.slug)), "{}", kind.slug);
    }
    let text = page("/problems/name-taken", 200).await;
    assert!(text.contains("<code>/problems/name-taken</code>") && text.contains("409 Conflict"), "{text}");
    assert!(page("/problems/none", 404).await.contains("There is nothing here"));
    for path in ["/problems", "/problems/name-taken"] {
        let answer = shared().anonymous(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert_eq!(answer.headers()["vary"], "Accept");
        assert!(answer.text().await.unwrap().contains("\"type\":\"/problems/name-taken\""));
    }
}

#[tokio::test]
async fn assets_are_found_by_their_content_and_never_change() {
    let text = page("/s/nothing", 404).await;
    let paths: Vec<&str> = text.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert_eq!(paths.len(), 3, "{text}");
    for path in paths {
        let answer = shared().anonymous(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    }
}

#[tokio::test]
async fn services_that_preview_links_get_the_page_and_not_the_bytes() {
    json(shared().put("/v1/blobs/pages/data.bin", "\u{0}\u{1}").await, 201).await;
    let url = link("/v1/blobs/pages/data.bin").await;
    let agent = "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)";
    let answer = shared().anonymous(Method::GET, &url).header("user-agent", agent).send().await.unwrap();
    let text = answer.text().await.unwrap();
    assert!(text.contains("<meta property=\"og:title\" content=\"data.bin\">"), "{text}");
    assert!(!text.contains("og:image"), "{text}");
}

#[tokio::test]
async fn a_long_text_and_a_wide_row_are_shown_in_part() {
    let larder = shared();
    json(larder.put("/v1/blobs/pages/long.log", "line\n".repeat(200_000)).await, 201).await;
    let text = page(&link("/v1/blobs/pages/long.log").await, 200).await;
    assert!(text.contains("The beginning of 1.0 MB.") && text.len() < 100_000, "{}", text.len());
    let rows: String = (0..40).map(|n| format!("{n},{}\n", "w".repeat(100_000))).collect();
    json(larder.put("/v1/tables/pages-wide", format!("n,w\n{rows}")).await, 201).await;
    let text = page(&link("/v1/tables/pages-wide").await, 200).await;
    assert!(text.contains(" of 40.") && text.len() < 100_000, "{}", text.len());
    let value: Value = json!({ "rows": vec![1; 100_000] });
    json(larder.put("/v1/documents/pages/large", value.to_string()).await, 201).await;
    let text = page(&link("/v1/documents/pages/large").await, 200).await;
    assert!(text.contains("… and 98,002 more") && text.len() < 200_000, "{}", text.len());
}

#[tokio::test]
async fn the_page_of_a_protected_link_tells_nothing_before_the_password() {
    let larder = shared();
    json(larder.put("/v1/blobs/pages/plans.png", "secret bytes").await, 201).await;
    let url = link_with("/v1/blobs/pages/plans.png", json!({ "password": "open sesame", "label": "the label" })).await;
    for path in ["", "/plans.png"] {
        let text = page(&format!("{url}{path}"), 200).await;
        for told in ["plans", "og:", "admin", "the label", "image/png"] {
            assert!(!text.contains(told), "{told} in {text}");
        }
        assert!(text.contains("name=\"password\"") && text.contains("autocomplete=\"current-password\""), "{text}");
    }
    let send = async |password: &str| {
        let form = [("password", password)];
        larder.anonymous(Method::POST, &url).header("accept", CHROME).form(&form).send().await.unwrap()
    };
    let wrong = send("open barley").await;
    assert_eq!((wrong.status().as_u16(), wrong.headers().contains_key("www-authenticate")), (403, false));
    assert!(wrong.text().await.unwrap().contains("That is not the password of this link."));
    let right = send("open sesame").await;
    assert_eq!(right.status(), 303);
    let cookie = right.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let request = larder.anonymous(Method::GET, &url).header("accept", CHROME).header("cookie", cookie);
    let text = request.send().await.unwrap().text().await.unwrap();
    assert!(text.contains("plans.png") && text.contains("the label"), "{text}");
    assert!(!text.contains("og:"), "{text}");
    // A program is asked as programs are.
    let asked = larder.anonymous(Method::GET, &url).send().await.unwrap();
    assert_eq!((asked.status().as_u16(), asked.headers().contains_key("www-authenticate")), (401, true));
}

#[tokio::test]
async fn a_page_takes_none_of_the_downloads_that_are_counted() {
    let larder = shared();
    json(larder.put("/v1/blobs/pages/counted.txt", "0123456789").await, 201).await;
    let url = link_with("/v1/blobs/pages/counted.txt", json!({ "max_downloads": 1 })).await;
    for _ in 0..3 {
        let text = page(&url, 200).await;
        assert!(text.contains("Downloads left</dt><dd>1<") && !text.contains("0123456789"), "{text}");
    }
    assert_eq!(larder.anonymous(Method::GET, &url).send().await.unwrap().text().await.unwrap(), "0123456789");
    assert!(page(&url, 410).await.contains("This link is no longer available"));
}

#[tokio::test]
async fn what_a_link_does_not_allow_is_not_on_its_page() {
    json(shared().put("/v1/tables/pages-rights", "a\nsecret\n").await, 201).await;
    let text = page(&link_with("/v1/tables/pages-rights", json!({ "allow": ["download"] })).await, 200).await;
    assert!(text.contains("Download CSV") && !text.contains("secret"), "{text}");
    let text = page(&link_with("/v1/tables/pages-rights", json!({ "allow": ["view"] })).await, 200).await;
    assert!(!text.contains("data-download") && !text.contains("read_csv") && text.contains("secret"), "{text}");
    // Of a query nothing beside it is told: no column that it leaves out, no statistics of rows that it does not find.
    let mixed = "a,b\nx,hidden\ny,shown\n";
    json(shared().put("/v1/tables/pages-query", mixed).await, 201).await;
    let text = page(&link("/v1/tables/pages-query/rows?select=b&a=eq.y").await, 200).await;
    assert!(text.contains("<td>shown</td>") && text.contains("Part of a table"), "{text}");
    assert!(!text.contains("hidden<") && !text.contains("2 rows") && !text.contains(">a<"), "{text}");
    let text = page(&link("/v1/tables/pages-query/rows.parquet").await, 200).await;
    assert!(text.contains("pages-query.parquet") && !text.contains("pages-query.csv"), "{text}");
}

#[tokio::test]
async fn folders_are_walked_and_drop_boxes_filled_without_a_script() {
    let larder = shared();
    for name in ["a.txt", "sub/b%20%C3%A4.txt", "sub/deeper/c.txt"] {
        json(larder.put(&format!("/v1/blobs/pages-folder/{name}"), "x").await, 201).await;
    }
    let url = link("/v1/blobs/pages-folder/").await;
    let path = url.strip_prefix(&larder.url).unwrap();
    let text = page(&url, 200).await;
    assert!(
        text.contains(&format!("href=\"{path}/a.txt\"")) && text.contains(&format!("href=\"{path}/sub/\"")),
        "{text}"
    );
    assert!(!text.contains("c.txt") && !text.contains("multipart"), "{text}");
    let text = page(&format!("{url}/sub/deeper/"), 200).await;
    assert!(text.contains(&format!("<a href=\"{path}\">pages-folder</a> / <a href=\"{path}/sub/\">sub</a>")), "{text}");
    assert!(page(&format!("{url}/sub/"), 200).await.contains(&format!("href=\"{path}/sub/b%20%C3%A4.txt\"")));
    let terms = json!({ "allow": ["upload"], "upload_files_max": 2 });
    let url = link_with("/v1/blobs/pages-folder/", terms).await;
    let text = page(&url, 200).await;
    assert!(text.contains("enctype=\"multipart/form-data\"") && text.contains("room for 2 files"), "{text}");
    assert!(!text.contains("a.txt"), "{text}");
    let file = reqwest::multipart::Part::bytes(b"y".to_vec()).file_name("sent.txt");
    let form = reqwest::multipart::Form::new().part("file", file);
    let sent = larder.anonymous(Method::POST, &url).header("accept", CHROME).multipart(form).send().await.unwrap();
    assert_eq!(sent.status(), 303);
    assert!(page(&url, 200).await.contains("room for 1 file and"));
    assert_eq!(larder.text("/v1/blobs/pages-folder/sent.txt").await, "y");
}

#[tokio::test]
async fn a_collection_shows_its_documents() {
    for id in ["one", "two"] {
        json(shared().put(&format!("/v1/documents/pages-collection/{id}"), "{\"n\":1}").await, 201).await;
    }
    let text = page(&link("/v1/documents/pages-collection").await, 200).await;
    assert!(
        text.contains("<span class=\"key\">one</span>") && text.contains("<span class=\"key\">two</span>"),
        "{text}"
    );
}
