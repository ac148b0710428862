//! Images and paths that somebody has prepared for another to use: what root is given by a user, and where root is led.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::attack::Attack;
use super::cell::{End, Verdict};
use super::signs::{self, difference};
use super::world::World;
use crate::command::{Identity, Place};

/// How their names as attacks begin.
pub const PREFIX: &str = "image_";

const WAYS: [(&str, &str); 4] = [
    ("foreign", "have root restart an image that a user has sealed with a key of his own"),
    ("link", "have root restart an image whose path leads to a file of root's"),
    ("output_link", "have root write an image to a path that a user has made to lead to a file of root's"),
    ("flipped", "have an image restarted of which one byte in the middle was changed"),
];

/// Them as attacks, for the report.
#[must_use]
pub fn attacks() -> Vec<Attack> {
    let attack = |(name, tries): &(&str, &str)| Attack {
        name: format!("{PREFIX}{name}"),
        tries: (*tries).into(),
        wall: "the seal, verified before anything is decoded; images are written beside their place and renamed".into(),
        never: Some("there are no images outside of pods".into()),
        ..Attack::default()
    };
    WAYS.iter().map(attack).collect()
}

/// Tries one.
pub fn one(world: &World, way: &str) -> Verdict {
    let attack = format!("{PREFIX}{way}");
    match attempt(world, way) {
        Ok(harm) if harm.is_empty() => Verdict { attack, end: End::Held, text: "refused, or written elsewhere".into() },
        Ok(harm) => Verdict { attack, end: End::Harm, text: harm },
        Err(e) => Verdict { attack, end: End::Untried, text: format!("{e:#}") },
    }
}

fn attempt(world: &World, way: &str) -> Result<String> {
    let image = world.spec.directory.join("dir").join(format!("{way}.image"));
    let shown = image.to_string_lossy().into_owned();
    let pod = world.pod("a");
    let root_file = Path::new(world.means.get("root_file").context("there is a file of root's")?);
    let _ = std::fs::remove_file(&image);
    // Root has a home and a key of its own here, also where root is not whose pods are attacked.
    let home = world.spec.directory.join("root-home");
    std::fs::create_dir_all(&home)?;
    let environment = vec![("AUTOPOD_HOME".to_owned(), home.to_string_lossy().into_owned())];
    let root = Place { identity: Identity { uid: 0, gid: 0 }, directory: home, environment };
    let by_root = |arguments: &[&str]| root.run(&world.autopod_program(), arguments, Duration::from_secs(30));
    let by_owner = |arguments: &[&str]| world.autopod(arguments);
    let good = |done: crate::command::Done| if done.status.success() { Ok(()) } else { bail!("{}", done.stderr.trim()) };
    if matches!(way, "foreign" | "flipped") {
        // Earlier attacks may have ended all that there was.
        good(by_owner(&["addproc", &pod, "--cwd", "/", "--", "sleep", "1000"])?)?;
        good(by_owner(&["checkpoint", &pod, "-o", &shown, "--leave-running"])?)?;
    }
    let before = signs::look(world);
    let refused = match way {
        "foreign" => !by_root(&["restart", "poison", "-i", &shown])?.status.success(),
        "link" => {
            symlink(root_file, &image)?;
            let done = by_root(&["restart", "poison", "-i", &shown])?;
            !done.status.success() && !done.stderr.contains(world.secret("root_file"))
        }
        "flipped" => {
            let mut bytes = std::fs::read(&image)?;
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&image, bytes)?;
            !by_owner(&["restart", &world.pod("flipped"), "-i", &shown])?.status.success()
        }
        _ => {
            symlink(root_file, &image)?;
            good(by_root(&["add", "poison"])?)?;
            good(by_root(&["addproc", "poison", "--cwd", "/", "--", "sleep", "1000"])?)?;
            let done = by_root(&["checkpoint", "poison", "-o", &shown, "--leave-running"])?;
            // Where it succeeds, it is a file of its own in place of the link.
            !done.status.success() || std::fs::symlink_metadata(&image)?.ino() != std::fs::metadata(root_file)?.ino()
        }
    };
    let _ = by_root(&["rm", "-f", "poison"]);
    let _ = by_owner(&["rm", "-f", &world.pod("flipped")]);
    let _ = std::fs::remove_file(&image);
    let mut harm = difference(&before, &signs::look(world));
    if !refused {
        harm += " it was not refused";
    }
    Ok(harm)
}
