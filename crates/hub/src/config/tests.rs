//! What configuration promises.

use std::{collections::BTreeSet, io::Write};

use figment::{Jail, value::Dict};

use super::*;

#[expect(clippy::result_large_err, reason = "figment's Jail asks for its own error")]
fn in_jail(test: impl FnOnce(&mut Jail)) {
    Jail::expect_with(|jail| {
        test(jail);
        Ok(())
    });
}

fn load(overrides: &Overrides) -> Result<Config, ConfigError> {
    Config::load(Some(Path::new("hub.toml")), overrides)
}

#[test]
fn nothing_has_to_be_set_but_the_database() {
    in_jail(|_| {
        let config = Config::load(None, &Overrides::default()).expect("the defaults");
        assert_eq!(config, Config::default());
        let error = config.database_url().expect_err("no default").to_string();
        assert!(error.contains("ENTENTE_DATABASE_URL"), "{error}");
    });
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    in_jail(|jail| {
        let file = "partner_listen = '127.0.0.1:1'\noperator_listen = '127.0.0.1:2'\n\
                    plain_listen = '127.0.0.1:3'\n[limits]\nconnections = 7\n";
        jail.create_file("hub.toml", file).expect("a file");
        jail.set_env("ENTENTE_OPERATOR_LISTEN", "127.0.0.1:22");
        jail.set_env("ENTENTE_PLAIN_LISTEN", "127.0.0.1:33");
        jail.set_env("ENTENTE_LIMITS__CONCURRENT_STREAMS", "9");
        let plain_listen = Some("127.0.0.1:333".parse().expect("an address"));
        let config = load(&Overrides { plain_listen, ..Overrides::default() }).expect("a config");
        let ports = [config.partner_listen, config.operator_listen, config.plain_listen]
            .map(|address| address.port());
        assert_eq!(ports, [1, 22, 333]);
        assert_eq!((config.limits.connections, config.limits.concurrent_streams), (7, 9));
        assert_eq!(config.limits.max_message_bytes, Limits::default().max_message_bytes);
    });
}

#[test]
fn a_variable_that_is_not_ours_is_left_alone_and_a_misspelled_file_is_refused() {
    in_jail(|jail| {
        jail.set_env("ENTENTE_SERVICE_HOST", "10.0.0.1");
        jail.set_env("ENTENTE_LIMITS__OF_GROWTH", "1972");
        assert!(Config::load(None, &Overrides::default()).is_ok());
        jail.create_file("hub.toml", "partner_lisen = '127.0.0.1:1'").expect("a file");
        let error = load(&Overrides::default()).expect_err("misspelled").to_string();
        assert!(error.contains("partner_lisen"), "{error}");
        let missing = Config::load(Some(Path::new("other.toml")), &Overrides::default());
        assert!(matches!(missing, Err(ConfigError::NoFile(_))));
    });
}

#[test]
fn what_is_out_of_range_is_refused() {
    in_jail(|jail| {
        for (file, good) in [
            ("partner_listen = '0.0.0.0:7443'\noperator_listen = '[::]:7443'", true),
            ("plain_listen = '0.0.0.0:7480'", false),
            ("certificates_only = true", false),
            ("[tokens]\nlife_s = 901", false),
            ("[tokens]\nlife_s = 0", false),
            ("[tokens]\nissuer = 'http://entente.example'", false),
            ("[tokens]\nissuer = 'https://hub.example'\nlife_s = 60", true),
            ("[limits]\nconnections = 0", false),
            ("[limits]\nmax_deadline_ms = 60000", false),
            ("[limits]\ndefault_deadline_ms = 20000\nmax_deadline_ms = 10000", false),
            ("[posting]\nbatch = 0", false),
            ("[workers]\nsweep_every_ms = 0", false),
            ("[webhooks]\nallowed_hosts = ['*.example.com', 'hooks.example.org:8443']", true),
            ("[webhooks]\nallowed_hosts = ['https://hooks.example.com']", false),
            ("[webhooks]\nallowed_networks = ['10.0.0.0']", false),
            ("[webhooks]\nconnect_timeout_ms = 20000", false),
        ] {
            jail.create_file("hub.toml", file).expect("a file");
            assert_eq!(load(&Overrides::default()).is_ok(), good, "{file}");
        }
    });
}

#[test]
fn the_environment_can_set_every_value() {
    let names = |value: &Dict| value.keys().cloned().collect::<BTreeSet<_>>();
    let all = Config {
        database_url: Some(DatabaseUrl::new("postgres://localhost/entente")),
        trust_domain: Some("entente.example".to_owned()),
        hub_certificate: Some("hub.pem".into()),
        hub_key: Some("hub.key".into()),
        tokens: TokenSettings {
            issuer: Some("https://entente.example".to_owned()),
            ..TokenSettings::default()
        },
        ..Config::default()
    };
    let all: Dict = Figment::from(Serialized::defaults(&all)).extract().expect("a table");
    let ours: BTreeSet<_> = NAMES
        .iter()
        .chain(&["limits", "posting", "workers", "linking", "webhooks", "tokens"])
        .map(ToString::to_string)
        .collect();
    assert_eq!(names(&all), ours);
    for (table, ours) in [
        ("limits", &Limits::NAMES[..]),
        ("posting", &PostingLimits::NAMES[..]),
        ("workers", &WorkerSettings::NAMES[..]),
        ("linking", &LinkingSettings::NAMES[..]),
        ("webhooks", &WebhookSettings::NAMES[..]),
        ("tokens", &TokenSettings::NAMES[..]),
    ] {
        let table = all[table].as_dict().expect("a table");
        assert_eq!(names(table), ours.iter().map(ToString::to_string).collect());
    }
}

#[test]
fn what_is_shown_has_no_secret_in_it() {
    let database_url = Some(DatabaseUrl::new("postgres://me:s3cret@db/entente"));
    let config = Config { database_url, ..Config::default() }.redacted();
    let mut shown = Vec::new();
    write!(shown, "{config:?}{}", config.database_url().expect("set").reveal()).expect("a vector");
    assert!(!String::from_utf8_lossy(&shown).contains("s3cret"));
}
