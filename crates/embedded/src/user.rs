//! Who runs the server. PostgreSQL refuses to run as root, so root hands it to an unprivileged user.

use std::{
    fs, io,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::Command,
};

use crate::error::{At, Error};

/// The ids under which the server and its programs run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerUser {
    /// For messages.
    pub(crate) name: String,
    /// Absent when it is the user that runs us.
    switch: Option<(u32, u32)>,
}

impl ServerUser {
    /// The owner of the data if it exists, else ourselves; for root `postgres`, else `nobody`.
    pub(crate) fn choose(data: &Path) -> Self {
        if !rustix::process::geteuid().is_root() {
            let name = format!("uid {}", rustix::process::geteuid().as_raw());
            return Self { name, switch: None };
        }
        if let Ok(found) = fs::metadata(data)
            && found.uid() != 0
        {
            return Self {
                name: format!("uid {}", found.uid()),
                switch: Some((found.uid(), found.gid())),
            };
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| entry(&passwd, name))
            .unwrap_or_else(|| Self { name: "uid 65534".to_owned(), switch: Some((65534, 65534)) })
    }

    /// Makes `command` run as this user, with no other group and with none of our environment but PATH.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C")
            .current_dir("/");
        if let Some((uid, gid)) = self.switch {
            // As root, `uid` also drops the supplementary groups.
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Whether this user can enter `directory`, asked of the kernel so that ACLs count too.
    pub(crate) fn can_enter(&self, directory: &Path) -> bool {
        self.switch.is_none()
            || self
                .command(Path::new("/bin/sh"))
                .args(["-c", "cd \"$1\" 2>/dev/null", "sh"])
                .arg(directory)
                .status()
                .is_ok_and(|status| status.success())
    }

    /// Gives `path` to this user.
    pub(crate) fn own(&self, path: &Path) -> Result<(), Error> {
        match self.switch {
            Some((uid, gid)) => give(path, uid, gid).at("change the owner of", path),
            None => Ok(()),
        }
    }
}

fn give(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    std::os::unix::fs::lchown(path, Some(uid), Some(gid))
}

/// `name` in a passwd file, unless it is root by another name.
fn entry(passwd: &str, name: &str) -> Option<ServerUser> {
    let fields: Vec<&str> = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&name))?;
    let uid = fields.get(2)?.parse().ok().filter(|uid| *uid != 0)?;
    let gid = fields.get(3)?.parse().ok()?;
    Some(ServerUser { name: name.to_owned(), switch: Some((uid, gid)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_read_from_passwd_and_never_root() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgres:x:101:104:a,,,:/var:/bin/sh\ntoor:x:0:0::/:/bin/sh\n";
        assert_eq!(entry(passwd, "postgres").and_then(|user| user.switch), Some((101, 104)));
        assert_eq!(entry(passwd, "toor"), None);
        assert_eq!(entry(passwd, "nobody"), None);
    }
}
