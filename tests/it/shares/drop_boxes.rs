//! Links that take files.

use super::{follow, made, share_with, url};
use crate::support::{Raw, Service, json, problem, shared, slow};
use reqwest::{Method, Response, multipart};
use serde_json::{Value, json};

async fn put(share: &Value, name: &str, body: &str) -> Response {
    let link = format!("{}/{name}", url(share));
    shared().anonymous(Method::PUT, &link).body(body.to_owned()).send().await.unwrap()
}

async fn form(share: &Value, files: &[(&str, &str)]) -> Response {
    let form = files.iter().fold(multipart::Form::new(), |form, (name, text)| {
        form.part("file", multipart::Part::text((*text).to_owned()).file_name((*name).to_owned()))
    });
    shared().anonymous(Method::POST, url(share)).multipart(form).send().await.unwrap()
}

#[tokio::test]
async fn a_drop_box_takes_files_replaces_none_and_shows_none() {
    json(shared().put("/v1/blobs/box/report.pdf", "the owner's").await, 201).await;
    let share = share_with("/v1/blobs/box/", json!({ "allow": ["upload"] })).await;
    let first = json(put(&share, "new.txt", "new").await, 201).await;
    assert_eq!((&first["name"], &first["size_bytes"]), (&"new.txt".into(), &3.into()));
    assert_eq!(json(put(&share, "report.pdf", "a partner's").await, 201).await["name"], "report-2.pdf");
    assert_eq!(json(put(&share, "report.pdf", "another's").await, 201).await["name"], "report-3.pdf");
    assert_eq!(shared().text("/v1/blobs/box/report.pdf").await, "the owner's");
    assert_eq!(shared().text("/v1/blobs/box/report-3.pdf").await, "another's");
    let descriptor = json(shared().get("/v1/blobs/box/new.txt?descriptor").await, 200).await;
    assert_eq!((&descriptor["owner"], &descriptor["content_type"]), (&"admin".into(), &"text/plain".into()));
    problem(follow(url(&share)).await, 403, "not-shared").await;
    problem(follow(&format!("{}/new.txt", url(&share))).await, 403, "not-shared").await;
    problem(follow(&format!("{}/none.txt", url(&share))).await, 403, "not-shared").await;
    let log = json(shared().get(&format!("/v1/shares/{}/log", share["id"].as_str().unwrap())).await, 200).await;
    let uploads: Vec<_> = log["hits"].as_array().unwrap().iter().filter(|hit| hit["outcome"] == "uploaded").collect();
    assert_eq!(uploads.len(), 3);
    assert_eq!((&uploads[0]["path"], &uploads[0]["bytes"]), (&"report-3.pdf".into(), &9.into()));
}

#[tokio::test]
async fn a_form_takes_several_files_and_a_browser_is_sent_back() {
    let share = share_with("/v1/blobs/box-form/", json!({ "allow": ["upload", "view"] })).await;
    let taken = json(form(&share, &[("a.txt", "a"), ("", "no file was chosen"), ("b.txt", "bb")]).await, 201).await;
    let names: Vec<&str> =
        taken["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a.txt", "b.txt"]);
    let listed = json(follow(url(&share)).await, 200).await;
    assert_eq!(listed["blobs"].as_array().unwrap().len(), 2);
    assert_eq!(problem(form(&share, &[("", "no file")]).await, 400, "bad-request").await["parameter"], "body");
    let part = multipart::Part::text("c").file_name("c.txt");
    let browser = shared().anonymous(Method::POST, url(&share)).header("accept", "text/html,*/*;q=0.8");
    let answer = browser.multipart(multipart::Form::new().part("file", part)).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    let page = url(&share).strip_prefix(&shared().url).unwrap();
    assert_eq!(answer.headers()["location"], format!("{page}#received"));
    assert_eq!(shared().text("/v1/blobs/box-form/c.txt").await, "c");
}

#[tokio::test]
async fn a_drop_box_is_bounded_in_files_and_bytes_and_gives_room_back() {
    let terms = json!({ "allow": ["upload"], "upload_files_max": 3, "upload_bytes_max": 10 });
    let share = share_with("/v1/blobs/box-small/", terms).await;
    json(put(&share, "a", "12345").await, 201).await;
    problem(put(&share, "b", "123456").await, 413, "drop-box-full").await;
    // A length that nobody told is cut off where the room ends.
    let (sender, answer) = slow(shared().anonymous(Method::PUT, &format!("{}/c", url(&share))));
    sender.send(Ok("123".into())).await.unwrap();
    sender.send(Ok("456".into())).await.unwrap();
    drop(sender);
    problem(answer.await.unwrap().unwrap(), 413, "drop-box-full").await;
    problem(form(&share, &[("d", "123456")]).await, 413, "drop-box-full").await;
    let room = async || {
        let shown = json(shared().get(&format!("/v1/shares/{}", share["id"].as_str().unwrap())).await, 200).await;
        shown["uploads"].clone()
    };
    let id = share["id"].as_str().unwrap();
    shared().wait_for(&format!("select count(*) from larder.pending where share_id = '{id}'"), &["0"]).await;
    assert_eq!(room().await, json!({ "files": 1, "files_max": 3, "bytes": 5, "bytes_max": 10 }));
    json(put(&share, "b", "123").await, 201).await;
    json(form(&share, &[("c", "12")]).await, 201).await;
    problem(put(&share, "e", "").await, 413, "drop-box-full").await;
    assert_eq!(room().await, json!({ "files": 3, "files_max": 3, "bytes": 10, "bytes_max": 10 }));
    for name in ["b", "c"] {
        assert_eq!(shared().get(&format!("/v1/blobs/box-small/{name}?descriptor")).await.status(), 200);
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing_and_gives_its_room_back() {
    let larder = Service::start(&[]).await;
    let share = made(&larder, "/v1/blobs/broken/", json!({ "allow": ["upload"], "upload_files_max": 1 })).await;
    let path = url(&share).strip_prefix(&larder.url).unwrap();
    let mut raw = Raw::connect(&larder).await;
    raw.send(format!("PUT {path}/half.bin HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf")).await;
    larder.wait_for("select share_bytes from larder.pending", &["100"]).await;
    problem(put_into(&larder, &share, "other.txt").await, 413, "drop-box-full").await;
    drop(raw);
    larder.wait_for("select count(*) from larder.pending", &["0"]).await;
    assert_eq!(larder.get("/v1/blobs/broken/half.bin").await.status(), 404);
    json(put_into(&larder, &share, "other.txt").await, 201).await;
}

async fn put_into(larder: &Service, share: &Value, name: &str) -> Response {
    larder.anonymous(Method::PUT, &format!("{}/{name}", url(share))).body("x").send().await.unwrap()
}

#[tokio::test]
async fn names_that_are_none_are_refused_and_addresses_that_are_no_links_stay_reserved() {
    let share = share_with("/v1/blobs/box-names/", json!({ "allow": ["upload"] })).await;
    for name in ["a/b.txt", "..%2fx", "a%00b", "x%0ay"] {
        problem(put(&share, name, "x").await, 400, "bad-name").await;
    }
    problem(put(&share, "ok?replace=true", "x").await, 400, "bad-request").await;
    let sent = async |method: Method, path: &str| shared().anonymous(method, path).body("x").send().await.unwrap();
    // Whoever has a token means a name of their own, and a holder a link.
    problem(shared().put("/s/nowhere/x.txt", "x").await, 409, "name-reserved").await;
    problem(sent(Method::PUT, "/s/nowhere/x.txt").await, 404, "not-found").await;
    // What may be a link is answered as one that leads nowhere.
    let unknown = format!("/s/{}/x.txt", "A".repeat(url(&share).rsplit('/').next().unwrap().len()));
    problem(sent(Method::PUT, &unknown).await, 404, "not-found").await;
    for end in ["", "/"] {
        let told = problem(sent(Method::PUT, &format!("{}{end}", url(&share))).await, 400, "bad-name").await;
        assert!(told["detail"].as_str().unwrap().contains("report.pdf"), "{told}");
        let told =
            problem(sent(Method::POST, &format!("{}{end}", url(&share))).await, 415, "unsupported-media-type").await;
        assert!(told["detail"].as_str().unwrap().contains("multipart/form-data"), "{told}");
    }
}

#[tokio::test]
async fn what_comes_is_in_the_log_before_it_has_come_and_a_revoked_link_keeps_it_not() {
    let share = share_with("/v1/blobs/box-slow/", json!({ "allow": ["upload"] })).await;
    let path = format!("/v1/shares/{}", share["id"].as_str().unwrap());
    let log = async || {
        let log = json(shared().get(&format!("{path}/log")).await, 200).await;
        let hits = log["hits"].as_array().unwrap().iter();
        hits.map(|hit| format!("{} {}", hit["outcome"].as_str().unwrap(), hit["path"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    let (sender, answer) = slow(shared().anonymous(Method::PUT, &format!("{}/slow.txt", url(&share))));
    sender.send(Ok("begun".into())).await.unwrap();
    let id = share["id"].as_str().unwrap();
    shared().wait_for(&format!("select outcome from larder.share_hits where share_id = '{id}'"), &["broken"]).await;
    assert_eq!(log().await, ["broken slow.txt"]);
    let uploads = json(shared().get(&path).await, 200).await["uploads"].clone();
    assert_eq!(uploads["files"], 1, "its room is kept: {uploads}");
    drop(sender);
    json(answer.await.unwrap().unwrap(), 201).await;
    assert_eq!(log().await, ["uploaded slow.txt"]);
    json(form(&share, &[("one.txt", "1"), ("slow.txt", "2")]).await, 201).await;
    let part = |name: &str| {
        format!("--B\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{name}\r\n")
    };
    let cut = format!("{}{}", part("whole.txt"), part("cut.txt"));
    let request =
        shared().anonymous(Method::POST, url(&share)).header("content-type", "multipart/form-data; boundary=B");
    let told = problem(request.body(cut).send().await.unwrap(), 408, "interrupted").await;
    assert!(told["detail"].as_str().unwrap().ends_with("Kept before that: whole.txt."), "{told}");
    assert_eq!(log().await[..2], ["broken cut.txt", "uploaded whole.txt"]);
    assert_eq!(log().await[2..], ["uploaded slow-2.txt", "uploaded one.txt", "uploaded slow.txt"]);
    let (sender, answer) = slow(shared().anonymous(Method::PUT, &format!("{}/late.txt", url(&share))));
    sender.send(Ok("begun".into())).await.unwrap();
    let late = format!("select count(*) from larder.share_hits where share_id = '{id}' and path = 'late.txt'");
    shared().wait_for(&late, &["1"]).await;
    assert_eq!(shared().delete(&path).await.status(), 204);
    drop(sender);
    problem(answer.await.unwrap().unwrap(), 410, "gone").await;
    assert_eq!(shared().get("/v1/blobs/box-slow/late.txt").await.status(), 404);
    assert_eq!(log().await[0], "over late.txt");
}

#[tokio::test]
async fn uploads_of_one_name_at_once_are_all_kept() {
    let share = share_with("/v1/blobs/box-race/", json!({ "allow": ["upload", "view"] })).await;
    let bodies: Vec<String> = (0..12).map(|n| format!("file {n}")).collect();
    let sent = futures::future::join_all(bodies.iter().map(|body| put(&share, "same.txt", body))).await;
    for answer in sent {
        json(answer, 201).await;
    }
    let listed = json(follow(url(&share)).await, 200).await;
    let mut kept = Vec::new();
    for blob in listed["blobs"].as_array().unwrap() {
        kept.push(shared().text(&format!("/v1/blobs/box-race/{}", blob["name"].as_str().unwrap())).await);
    }
    kept.sort_by_key(|text| text.split(' ').nth(1).unwrap().parse::<u32>().unwrap());
    assert_eq!(kept, bodies);
}
