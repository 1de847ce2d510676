//! The document says what there is, and nothing else.

use serde_json::Value;

use crate::script::{READ, Tried, request};

#[tokio::test]
async fn the_document_that_is_served_is_that_of_the_code() {
    let tried = Tried::new();
    let served = tried.get(READ, "/api/v1/openapi.json").await.json();
    let of_the_code = serde_json::to_value(lifeboat_http::openapi()).expect("a document");
    assert_eq!(served, of_the_code);
    assert_eq!(served["info"]["title"], "Lifeboat");
}

#[tokio::test]
async fn every_operation_is_a_route_and_takes_no_other_method() {
    let tried = Tried::new();
    let document = serde_json::to_value(lifeboat_http::openapi()).expect("a document");
    for (path, item) in document["paths"].as_object().expect("paths") {
        let real =
            path.replace("{database}", "app").replace("{snapshot}", "latest").replace("{job}", "0");
        let methods: Vec<String> =
            item.as_object().expect("methods").keys().map(|m| m.to_uppercase()).collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = tried.send(request(method, &real, None, None)).await;
            let known = methods.iter().any(|one| one == method);
            assert_eq!(answer.status != 405, known, "{method} {path}: {}", answer.status);
            assert_eq!(answer.text().is_empty(), answer.status == 204, "{method} {path}");
        }
    }
}

/// References lead somewhere, each operation has a name of its own and says what
/// it is refused with.
#[test]
fn the_document_is_whole() {
    let document = serde_json::to_value(lifeboat_http::openapi()).expect("a document");
    let mut names = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            names.push(operation["operationId"].as_str().expect("a name").to_owned());
            assert!(operation["summary"].is_string(), "{method} {path}");
            for status in ["400", "401", "403", "404", "409", "413", "415", "429", "500", "502"] {
                assert!(operation["responses"][status].is_object(), "{method} {path} {status}");
            }
        }
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 50);
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                references.push(reference.clone());
            }
            fields.values().for_each(|value| collect(value, references));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}
