//! The command line, as real processes.

use serde_json::json;

use server::services::{catalog::seed::ORGANIZATION, config::read_document};

use crate::support::{
    Database, Place,
    database::raw,
    eventually, hello, on_both,
    process::{Server, electrons, electrons_at, run, stderr, stdout, write},
};

on_both!(
    a_first_start_tells_how_to_begin,
    a_key_made_beside_a_server_works_soon,
    people_are_made_beside_a_server,
    a_migration_leaves_the_welcome_to_the_server,
    health_is_told_by_the_exit_code,
    the_configuration_is_carried_as_a_document,
    a_list_of_models_and_a_table_of_prices_are_applied,
    the_audit_log_is_verified,
);

/// A chat call to a server that is another process.
async fn chat(server: &Server, key: &str) -> reqwest::Response {
    let client = crate::support::client();
    let url = format!("{}/v1/chat/completions", server.base_url);
    client.post(url).bearer_auth(key).json(&hello("gpt-4o-mini")).send().await.unwrap()
}

async fn a_first_start_tells_how_to_begin(database: Database) {
    let place = Place::new(&database).await;
    let server = Server::at(&place).await;
    let key = server.api_key.clone().expect("a first key");
    assert!(server.sign_in_url.as_deref().unwrap().starts_with(&format!("{}/sign-in?token=", server.base_url)));
    assert_eq!(chat(&server, &key).await.status(), 200);
    assert!(server.stop().await.success());
    let again = Server::at(&place).await;
    assert!(again.api_key.is_none() && again.sign_in_url.is_none(), "told once");
    assert_eq!(chat(&again, &key).await.status(), 200, "but good for longer");
    assert!(again.stop().await.success());
}

async fn a_key_made_beside_a_server_works_soon(database: Database) {
    let place = Place::new(&database).await;
    let server = Server::at(&place).await;
    let made = run(electrons_at(&place, &["key", "create", "--name", "Beside", "--expires-in-days", "1"])).await;
    let began = std::time::Instant::now();
    assert!(made.status.success(), "{}", stderr(&made));
    // The key alone, so that a script can take it.
    let key = stdout(&made).trim_end().to_owned();
    assert!(key.starts_with("sk_test_") && !key.contains(char::is_whitespace), "{key}");
    eventually("the new key works", || async { (chat(&server, &key).await.status() == 200).then_some(()) }).await;
    assert!(began.elapsed() < std::time::Duration::from_secs(4), "{:?}", began.elapsed());

    let live = run(electrons_at(&place, &["key", "create", "--instance", "production"])).await;
    assert!(stdout(&live).starts_with("sk_live_"), "{} {}", stdout(&live), stderr(&live));
    for wrong in [
        vec!["key", "create", "--user", "nobody@example.org"],
        vec!["key", "create", "--instance", "nowhere"],
        vec!["key", "create", "--name", ""],
    ] {
        let refused = run(electrons_at(&place, &wrong)).await;
        assert!(!refused.status.success() && stdout(&refused).is_empty(), "{wrong:?}");
        assert!(stderr(&refused).starts_with("error: "), "{wrong:?}: {}", stderr(&refused));
    }
    assert!(server.stop().await.success());
}

async fn people_are_made_beside_a_server(database: Database) {
    let place = Place::new(&database).await;
    let server = Server::at(&place).await;
    let made = run(electrons_at(&place, &["user", "create", "--email", "ada@example.org", "--name", "Ada"])).await;
    assert!(made.status.success(), "{}", stderr(&made));
    let link = stdout(&made).trim().to_owned();
    let token = link.split_once("/sign-in?token=").expect("a sign-in address").1;
    let again = run(electrons_at(&place, &["user", "link", "--email", "Ada@Example.org"])).await;
    let second = stdout(&again).trim().split_once("token=").expect("another link").1.to_owned();
    assert_ne!(token, second);
    let client = crate::support::client();
    for token in [token, second.as_str()] {
        let request = client
            .post(format!("{}/_fn/account/sign_in_by_link", server.base_url))
            .header("origin", &server.base_url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("token={token}"));
        let answer = crate::support::answer(request).await;
        assert!(crate::support::cookie_of(&answer).is_some(), "{} {}", answer.status, answer.text);
    }
    // A key lets its owner into the instance it is for.
    let key = run(electrons_at(&place, &["key", "create", "--user", "ada@example.org"])).await;
    assert!(key.status.success(), "{}", stderr(&key));
    let key = stdout(&key).trim().to_owned();
    eventually("the key works", || async { (chat(&server, &key).await.status() == 200).then_some(()) }).await;

    let taken = run(electrons_at(&place, &["user", "create", "--email", "ADA@example.org"])).await;
    assert!(!taken.status.success() && stderr(&taken).contains("taken"), "{}", stderr(&taken));
    for wrong in [vec!["user", "create", "--email", "nonsense"], vec!["user", "link", "--email", "nobody@example.org"]]
    {
        let refused = run(electrons_at(&place, &wrong)).await;
        assert!(
            !refused.status.success() && stderr(&refused).starts_with("error: "),
            "{wrong:?}: {}",
            stderr(&refused)
        );
    }
    assert!(server.stop().await.success());
}

async fn a_migration_leaves_the_welcome_to_the_server(database: Database) {
    let place = Place::new(&database).await;
    for _ in 0..2 {
        let migrated = run(electrons_at(&place, &["migrate"])).await;
        assert!(migrated.status.success(), "{}", stderr(&migrated));
        assert_eq!(stdout(&migrated), "The database is up to date.\n");
    }
    let server = Server::at(&place).await;
    let key = server.api_key.clone().expect("there was nobody yet, so somebody is welcomed");
    assert_eq!(chat(&server, &key).await.status(), 200);
    assert!(server.stop().await.success());
}

async fn health_is_told_by_the_exit_code(database: Database) {
    let place = Place::new(&database).await;
    let server = Server::at(&place).await;
    let well = run(electrons_at(&place, &["healthcheck", "--url", &server.base_url])).await;
    assert!(well.status.success() && stdout(&well).contains("\"ready\""), "{} {}", stdout(&well), stderr(&well));
    let url = server.base_url.clone();
    assert!(server.stop().await.success());
    let gone = run(electrons_at(&place, &["healthcheck", "--url", &url])).await;
    assert_eq!(gone.status.code(), Some(1));
    assert!(stderr(&gone).contains(&url), "{}", stderr(&gone));
}

/// A command that succeeds; what it printed.
async fn told(place: &Place, arguments: &[&str]) -> String {
    let done = run(electrons_at(place, arguments)).await;
    assert!(done.status.success(), "{arguments:?}: {}", stderr(&done));
    stdout(&done)
}

/// A command that fails; what it said of that.
async fn failed(place: &Place, arguments: &[&str]) -> String {
    let done = run(electrons_at(place, arguments)).await;
    assert_eq!((done.status.code(), stdout(&done).as_str()), (Some(1), ""), "{arguments:?}");
    stderr(&done)
}

async fn the_configuration_is_carried_as_a_document(database: Database) {
    let place = Place::new(&database).await;
    let server = Server::at(&place).await;
    let key = server.api_key.clone().unwrap();
    let name = async || {
        let url = format!("{}/config/instance/production", server.base_url);
        let instance = crate::support::answer(crate::support::client().get(url).bearer_auth(&key)).await.ok();
        instance.body["data"]["name"].as_str().unwrap().to_owned()
    };
    let exported = told(&place, &["config", "export"]).await;
    assert_eq!(read_document(&exported).unwrap()["electrons"], 1);
    assert!(!exported.contains(&key));
    write(place.folder.path(), "all.yaml", &exported);
    assert_eq!(told(&place, &["config", "apply", "all.yaml"]).await, "Everything is so already.\n");

    let changes = "provider:\n  - id: newcomer\n    display_name: New\n    base_url: http://new\n\
                   instance:\n  - instance_id: production\n    name: Renamed\n";
    write(place.folder.path(), "some.yaml", changes);
    let lines = "~ instance production\n    name: \"Production\" -> \"Renamed\"\n+ provider newcomer\n";
    let dry = told(&place, &["config", "apply", "some.yaml", "--dry-run"]).await;
    assert_eq!(dry, format!("{lines}2 things would change.\n"));
    assert_eq!(told(&place, &["config", "export"]).await, exported, "nothing was changed");
    assert_eq!(told(&place, &["config", "apply", "some.yaml"]).await, format!("{lines}2 things changed.\n"));
    eventually("the server notices", || async { (name().await == "Renamed").then_some(()) }).await;
    assert_eq!(told(&place, &["config", "apply", "some.yaml"]).await, "Everything is so already.\n");
    assert!(told(&place, &["config", "export"]).await.contains("newcomer"));

    write(place.folder.path(), "wrong.yaml", &format!("{changes}prompt:\n  - nmae: x\n"));
    assert_eq!(
        failed(&place, &["config", "apply", "wrong.yaml"]).await,
        "error: prompt[0]: there is no field \"nmae\"\n"
    );
    let missing = failed(&place, &["config", "apply", "nowhere.yaml"]).await;
    assert!(missing.starts_with("error: cannot read nowhere.yaml: "), "{missing}");
    assert!(server.stop().await.success());
}

async fn a_list_of_models_and_a_table_of_prices_are_applied(database: Database) {
    let place = Place::new(&database).await;
    let server = Server::at(&place).await;
    let list = "model_list:\n  - model_name: our.gpt\n    litellm_params:\n      model: openai/gpt-4o-mini\n  \
                - model_name: odd\n    litellm_params:\n      model: nobody/x\n";
    write(place.folder.path(), "list.yaml", list);
    let applied = run(electrons_at(&place, &["config", "apply", "list.yaml"])).await;
    assert!(applied.status.success() && stdout(&applied).ends_with("1 thing changed.\n"), "{}", stdout(&applied));
    assert!(stderr(&applied).starts_with("note: ") && stderr(&applied).contains("odd"), "{}", stderr(&applied));
    let key = server.api_key.clone().unwrap();
    let call = || async {
        let url = format!("{}/v1/chat/completions", server.base_url);
        let call = crate::support::client().post(url).bearer_auth(&key).json(&hello("our.gpt"));
        (call.send().await.unwrap().status() == 200).then_some(())
    };
    eventually("the model can be used", call).await;

    let prices = r#"{"gpt-4o": {"input_cost_per_token": 2e-6, "litellm_provider": "openai"}}"#;
    write(place.folder.path(), "prices.json", prices);
    let dry = told(&place, &["config", "prices", "prices.json", "--dry-run"]).await;
    assert!(dry.starts_with("~ model-config cfg_openai_gpt_4o\n    pricing: "), "{dry}");
    assert!(dry.ends_with("1 thing would change.\n"), "{dry}");
    assert!(told(&place, &["config", "prices", "prices.json"]).await.ends_with("1 thing changed.\n"));
    assert_eq!(told(&place, &["config", "prices", "prices.json"]).await, "Everything is so already.\n");
    assert!(server.stop().await.success());
}

async fn the_audit_log_is_verified(database: Database) {
    let place = Place::new(&database).await;
    assert!(Server::at(&place).await.stop().await.success());
    let whole = told(&place, &["audit", "verify"]).await;
    let of = |name: &str| whole.lines().find(|line| line.starts_with(name)).map(str::to_owned);
    assert!(of(&format!("{ORGANIZATION}: whole, ")).is_some(), "{whole}");
    let one = told(&place, &["audit", "verify", "--org", ORGANIZATION]).await;
    assert_eq!(one.lines().next().map(str::to_owned), of(ORGANIZATION));
    assert_eq!(told(&place, &["audit", "verify", "--org", "nobody"]).await, "nobody: no entries\n");

    let db = place.raw().await;
    let sql = "UPDATE audit_log SET actor_name = 'Nobody' WHERE seq = 2 AND org_id = $1";
    let done = raw!(&db, |pool| sqlx::query(sql).bind(ORGANIZATION).execute(pool).await.unwrap().rows_affected());
    assert_eq!(done, 1);
    let broken = run(electrons_at(&place, &["audit", "verify"])).await;
    assert_eq!(broken.status.code(), Some(1));
    assert!(stdout(&broken).contains(&format!("{ORGANIZATION}: BROKEN at entry 2: ")), "{}", stdout(&broken));
    assert_eq!(stderr(&broken), "error: the audit log was tampered with\n");
}

#[tokio::test]
async fn a_second_server_on_the_same_file_is_refused() {
    let place = Place::new(&Database::Sqlite).await;
    let server = Server::at(&place).await;
    let second = run(electrons_at(&place, &["serve"])).await;
    assert_eq!(second.status.code(), Some(1));
    let said = stderr(&second);
    assert!(said.contains(&format!("in use by another server (process {}", server.pid())), "{said}");
    assert!(said.contains(&place.url), "{said}");
    // The first one is none the worse, and when it is gone the file is free, however it went.
    assert_eq!(chat(&server, server.api_key.as_deref().unwrap()).await.status(), 200);
    server.signal("KILL");
    server.ended().await;
    assert!(Server::at(&place).await.stop().await.success());
}

#[tokio::test]
async fn several_servers_share_a_postgres() {
    let Some(database) = Database::postgres() else { return };
    let place = Place::new(&database).await;
    // Started together on an empty database: one of them makes what there is to make.
    let (first, second) = tokio::join!(Server::at(&place), Server::at(&place));
    let keys: Vec<&String> = [&first, &second].iter().filter_map(|server| server.api_key.as_ref()).collect();
    assert_eq!(keys.len(), 1, "one welcome");
    let key = keys[0].clone();
    for server in [&first, &second] {
        eventually("the key works everywhere", || async { (chat(server, &key).await.status() == 200).then_some(()) })
            .await;
    }
    assert!(first.stop().await.success() && second.stop().await.success());
}

#[tokio::test]
async fn settings_that_cannot_be_used_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    for (text, expected) in [
        (
            "[server]\naddress = \"127.0.0.1:0\"\nadress = 1\n",
            vec!["electrons.toml, line 3", "server.adress", "server.address"],
        ),
        ("[gateway]\n\nmax_attempts = \"three\"\n", vec!["electrons.toml, line 3", "gateway.max_attempts"]),
        ("[gateway]\nmax_attempts = 0\n", vec!["gateway.max_attempts", "too small"]),
        ("environment = \"prod\"\n", vec!["electrons.toml, line 1", "environment", "development", "production"]),
        ("[server\n", vec!["electrons.toml, line 1"]),
        ("[log]\nlevel = \"loud=very=much\"\n", vec!["log.level"]),
    ] {
        write(folder.path(), "electrons.toml", text);
        let refused = run(electrons(folder.path(), &["serve"])).await;
        assert_eq!(refused.status.code(), Some(1), "{text}");
        let said = stderr(&refused);
        for part in expected {
            assert!(said.contains(part), "{part:?} is not in: {said}");
        }
        assert!(stdout(&refused).is_empty() && !folder.path().join("data").exists(), "nothing was begun");
    }
    std::fs::remove_file(folder.path().join("electrons.toml")).unwrap();
    for (name, value, expected) in [
        ("ELECTRONS__SERVER__ADDRESS", "nowhere", "environment variable ELECTRONS__SERVER__ADDRESS"),
        ("ELECTRONS__SERVER__PORT", "1", "environment variable ELECTRONS__SERVER__PORT"),
        ("DATABASE_URL", "postgres://127.0.0.1:1/x", "the database cannot be opened"),
    ] {
        let refused = run({
            let mut command = electrons(folder.path(), &["serve"]);
            command.env(name, value);
            command
        })
        .await;
        assert_eq!(refused.status.code(), Some(1), "{name}");
        assert!(stderr(&refused).contains(expected), "{}", stderr(&refused));
    }
    let missing = run(electrons(folder.path(), &["serve", "--config", "missing.toml"])).await;
    assert!(stderr(&missing).contains("missing.toml"), "{}", stderr(&missing));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = run(electrons(folder.path(), &["serve", "--address", &address])).await;
    assert!(
        !refused.status.success() && stderr(&refused).contains(&format!("cannot listen on {address}")),
        "{}",
        stderr(&refused)
    );
}

#[tokio::test]
async fn the_default_settings_are_printed_and_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let printed = run(electrons(folder.path(), &["config", "print-default"])).await;
    assert!(printed.status.success());
    insta::assert_snapshot!("default_settings", stdout(&printed));
    // As a file of one's own they change nothing.
    let path = write(folder.path(), "electrons.toml", &stdout(&printed));
    let variables = [("ELECTRONS__SERVER__ADDRESS", "127.0.0.1:0"), ("ELECTRONS__LOG__LEVEL", "warn")];
    let mut command = electrons(folder.path(), &["serve", "--config", path.to_str().unwrap()]);
    command.envs(variables);
    let server = Server::start(command).await;
    // An empty folder was enough: this is where it put what it keeps.
    for name in ["electrons.db", "secret.key"] {
        let file = std::fs::metadata(folder.path().join("data").join(name)).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777;
        assert_eq!(mode, 0o600, "{name} is for its owner only");
    }
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn every_command_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    for command in [
        vec![],
        vec!["serve"],
        vec!["migrate"],
        vec!["sandbox"],
        vec!["key"],
        vec!["key", "create"],
        vec!["user"],
        vec!["user", "create"],
        vec!["user", "link"],
        vec!["config"],
        vec!["config", "print-default"],
        vec!["config", "export"],
        vec!["config", "apply"],
        vec!["config", "prices"],
        vec!["audit", "verify"],
        vec!["healthcheck"],
    ] {
        let help = run(electrons(folder.path(), &[command.clone(), vec!["--help"]].concat())).await;
        assert!(help.status.success() && stdout(&help).contains("Usage: electrons"), "{command:?}: {}", stdout(&help));
    }
    let version = run(electrons(folder.path(), &["--version"])).await;
    assert!(stdout(&version).starts_with("electrons "), "{}", stdout(&version));
    let wrong = run(electrons(folder.path(), &["sevre"])).await;
    assert!(wrong.status.code() == Some(2) && stderr(&wrong).contains("serve"), "{}", stderr(&wrong));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "asking leaves nothing behind");
}

#[tokio::test]
async fn the_simulator_runs_alone() {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let mut child = electrons(folder.path(), &["sandbox", "--port", "0"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    let base = first.strip_prefix("simulator").unwrap().trim().to_owned();
    let request = crate::support::client()
        .post(format!("{base}/openai/v1/chat/completions"))
        .bearer_auth("anything")
        .json(&hello("gpt-4o-mini"));
    let answer = crate::support::answer(request).await.ok();
    assert_eq!(answer.body["object"], json!("chat.completion"));
    child.kill().await.unwrap();
}
