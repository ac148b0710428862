//! Users of a pod that has a tree of its own, as the files there tell (passwd(5), group(5)). Read by the child that becomes the program: who
//! reads in a tree that a view serves may have to wait.
use super::init_protocol::{Spawn, UserIds};
use super::namespaces::Refused;
use serde_bytes::ByteBuf;

/// A line of passwd.
#[derive(Debug, Clone, PartialEq, Eq)]
struct User {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
    shell: String,
}

fn user(passwd: &str, wanted: &str) -> Option<User> {
    let number: Option<u32> = wanted.parse().ok();
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, shell] = fields[..] else { return None };
        let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
        let meant = number.map_or(name == wanted, |number| number == uid);
        meant.then(|| User { name: name.into(), uid, gid, home: home.into(), shell: shell.into() })
    })
}

/// The groups that a user is a member of, with his own.
fn groups(group: &str, user: &User) -> Vec<u32> {
    let mut found = vec![user.gid];
    for line in group.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, gid, members] = fields[..] else { continue };
        match gid.parse() {
            Ok(gid) if members.split(',').any(|member| member == user.name) && !found.contains(&gid) => found.push(gid),
            _ => {}
        }
    }
    found
}

/// Has the program run as this user, a name or number, and his variables in its environment.
pub(super) fn settle(spawn: &mut Spawn, wanted: &str) -> Result<(), Refused> {
    let read = |path: &str| std::fs::read(path).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default();
    let me = nix::unistd::geteuid().as_raw();
    let found = user(&read("/etc/passwd"), wanted);
    let Some(user) = found.or_else(|| {
        let uid = wanted.parse().ok()?;
        Some(User { name: wanted.into(), uid, gid: uid, home: "/".into(), shell: "/bin/sh".into() })
    }) else {
        return Err(Refused { doing: format!("looking up user \"{wanted}\" in the pod's /etc/passwd"), errno: libc::ENOENT });
    };
    if user.uid != me {
        if me != 0 {
            return Err(Refused { doing: format!("becoming user \"{wanted}\" in a pod that is not root's"), errno: libc::EPERM });
        }
        let groups = groups(&read("/etc/group"), &user);
        spawn.user = Some(UserIds { uid: user.uid, gid: user.gid, groups });
    }
    for (key, value) in [("HOME", &user.home), ("USER", &user.name), ("LOGNAME", &user.name), ("SHELL", &user.shell)] {
        let head = format!("{key}=");
        if !spawn.env.iter().any(|entry| entry.starts_with(head.as_bytes())) {
            spawn.env.push(ByteBuf::from(format!("{head}{value}").into_bytes()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nbroken\nmail:x:8:8:mail:/var/mail:/usr/sbin/nologin\n";

    #[test]
    fn users_are_found_by_name_and_number() {
        let mail = user(PASSWD, "mail").unwrap();
        assert_eq!((mail.uid, mail.home.as_str()), (8, "/var/mail"));
        assert_eq!(user(PASSWD, "8"), Some(mail));
        assert_eq!(user(PASSWD, "nobody"), None);
    }

    #[test]
    fn groups_are_those_that_list_the_user_and_his_own() {
        let mail = user(PASSWD, "mail").unwrap();
        assert_eq!(groups("mail:x:8:\nadm:x:4:root,mail\nx:x:5:email\nagain:x:8:mail\n", &mail), [8, 4]);
    }
}
