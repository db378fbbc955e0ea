use super::*;

fn sources(texts: &[&str]) -> Vec<Source> {
    let source = |(index, text): (usize, &&str)| Source {
        file: PathBuf::from(format!("{}.conf", index + 1)),
        text: (*text).to_owned(),
    };
    texts.iter().enumerate().map(source).collect()
}

fn profile(texts: &[&str]) -> Result<Profile, ConfError> {
    parse("koji", &sources(texts), Some(Path::new("/h/me")))
}

#[test]
fn later_files_override_earlier_ones_key_by_key() {
    let found = profile(&[
        "; all of it\n[koji]\nserver = https://one.example/kojihub\ncert = ~/.koji/client.pem\nauthtype=ssl\n",
        "[stg]\nserver = https://stg.example/kojihub\n[koji]\n# only this\nServer: https://two.example/kojihub\n",
        "[koji]\nserverca = /etc/ca.crt\ncert =\nuse_fast_upload = yes\n",
    ])
    .unwrap();
    assert_eq!(found.server, "https://two.example/kojihub");
    assert_eq!(found.cert.as_deref(), Some(Path::new("/h/me/.koji/client.pem")));
    assert_eq!(found.serverca.as_deref(), Some(Path::new("/etc/ca.crt")));
    assert_eq!(found.authtype, Some(AuthType::Ssl));
    let settings = found.client_settings();
    assert_eq!(settings.server, found.server);
    assert_eq!(settings.tls.server_ca, found.serverca);
    assert_eq!(found.login(), Ok(Login::Certificate { proxy_user: None }));
}

#[test]
fn what_is_wrong_is_told_with_file_and_line() {
    for (texts, error) in [
        (&["server = x\n"][..], "1.conf:1: a key before the first [section]"),
        (&["[koji\n"], "1.conf:1: a section without `]`"),
        (&["[koji]\n\nserver\n"], "1.conf:3: `server` is neither a [section] nor `key = value`"),
        (&["[koji]\nserver=a\nserver=b\n"], "1.conf:3: `server` is set twice in [koji]"),
        (
            &["[koji]\nserver=a\n", "[koji]\nauthtype = magic\n"],
            "2.conf:2: authtype: should be `ssl`, `gssapi`, `kerberos`, `password` or `noauth`",
        ),
        (&["[koji]\nno_ssl_verify = maybe\n"], "1.conf:2: no_ssl_verify: should be `true` or `false`"),
        (
            &["[koji]\nno_ssl_verify = yes\n"],
            "1.conf:2: no_ssl_verify: Tidegate always checks who the hub is; leave it out, and set `serverca` to a file \
             with the authority of the hub's certificate",
        ),
        (&["[koji]\n"], "profile `koji`: has no `server`: set the address of the hub"),
        (&["[stg]\nserver=a\n"], "no profile `koji`: none of the files read has a section [koji] (1.conf)"),
        (&[], "no profile `koji`: none of the files read has a section [koji] (no file is there)"),
    ] {
        assert_eq!(profile(texts).unwrap_err().to_string(), error);
    }
}

#[test]
fn a_login_needs_what_it_is_made_with() {
    for (text, error) in [
        ("", "profile `koji`: says of no way to log in: set `authtype` and `cert`, or `keytab`"),
        ("authtype = ssl\n", "profile `koji`: has no `cert`: set the file with certificate and key"),
        ("password = hush\n", "profile `koji`: needs `user` and `password` for this authtype"),
    ] {
        let found = profile(&[&format!("[koji]\nserver = a\n{text}")]).unwrap();
        assert_eq!(found.login().unwrap_err().to_string(), error);
    }
    let found = profile(&["[koji]\nserver = a\nuser = me\npassword = hush\n"]).unwrap();
    let login = Login::Password { user: "me".to_owned(), password: Secret::new("hush") };
    assert_eq!(found.login(), Ok(login));
    assert!(!format!("{found:?} {:?}", found.login()).contains("hush"));
}

#[test]
fn a_value_goes_on_in_lines_that_are_indented() {
    let found = profile(&["[koji]\nserver =\n  https://one.example/kojihub\nweburl = a ; b\n"]).unwrap();
    assert_eq!(found.server, "https://one.example/kojihub");
    assert_eq!(found.weburl.as_deref(), Some("a ; b"));
}

#[test]
fn places_are_read_in_the_order_of_koji() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["b.conf", "a.conf", "c.conf.rpmsave"];
    for name in names {
        fs::write(folder.path().join(name), format!("[{name}]\n")).unwrap();
    }
    let single = folder.path().join("c.conf.rpmsave");
    let read = read(&[folder.path().to_owned(), folder.path().join("absent"), single]).unwrap();
    let texts: Vec<&str> = read.iter().map(|source| source.text.as_str()).collect();
    assert_eq!(texts, ["[a.conf]\n", "[b.conf]\n", "[c.conf.rpmsave]\n"]);

    let home = places(Some(Path::new("/h/me")));
    let expected = ["/etc/koji.conf.d", "/etc/koji.conf", "/h/me/.koji/config.d", "/h/me/.koji/config"];
    assert_eq!(home, expected.map(PathBuf::from));
    assert_eq!(places(None).len(), 2);
}
