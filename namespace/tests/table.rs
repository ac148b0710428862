//! The table against a plain model, under one thread and under many.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::CString;

use autopod_namespace::*;
use proptest::prelude::*;

fn table() -> (tempfile::TempDir, Table) {
    let dir = tempfile::tempdir().unwrap();
    let path = CString::new(dir.path().join(TABLE_FILE).to_str().unwrap()).unwrap();
    let settings =
        Settings { pod_name: "web", pod_id: 0x1234, hostname: b"web", domainname: b"(none)", unreachable: Unreachable::Refuse };
    let table = Table::create(&path, &settings).unwrap();
    (dir, table)
}

fn v(raw: i32) -> VirtualId {
    VirtualId::new(raw).unwrap()
}

fn h(raw: i32) -> HostId {
    HostId::new(raw).unwrap()
}

#[test]
fn a_second_mapping_sees_the_same_pod() {
    let (dir, table) = table();
    table.insert(VirtualId::INIT, h(4000));
    table.set_clock_offset(Clock::Boottime, -7);
    let path = CString::new(dir.path().join(TABLE_FILE).to_str().unwrap()).unwrap();
    let other = Table::open(&path).unwrap();
    assert_eq!(other.virtual_of(h(4000)), Some(VirtualId::INIT));
    assert_eq!(other.pod_name().as_str(), "web");
    assert_eq!(other.path().as_c_str(), path.as_c_str());
    assert_eq!(other.hostname().as_bytes(), b"web");
    assert_eq!(other.clock_offset(Clock::Boottime), -7);
    assert_eq!(other.stamp(), table.stamp());
    assert!(!other.set_hostname(&[b'x'; 65]));
    assert!(other.set_hostname(&[b'x'; 64]));
    assert_eq!(table.hostname().as_bytes(), [b'x'; 64]);
}

#[test]
fn what_is_no_table_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other");
    let c_path = CString::new(path.to_str().unwrap()).unwrap();
    std::fs::write(&path, b"short").unwrap();
    assert_eq!(Table::open(&c_path).unwrap_err(), Error::NotATable);
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(FILE_SIZE as u64).unwrap();
    assert_eq!(Table::open(&c_path).unwrap_err(), Error::NotATable);
}

#[test]
fn a_table_takes_little_room() {
    use std::os::unix::fs::MetadataExt;
    let (dir, table) = table();
    for host in 1..2000 {
        table.virtual_for(h(host)).unwrap();
    }
    let blocks = std::fs::metadata(dir.path().join(TABLE_FILE)).unwrap().blocks();
    assert!(blocks * 512 < 1 << 20, "{} bytes", blocks * 512);
}

#[test]
fn an_id_outlives_its_task_as_the_name_of_a_group() {
    let (_dir, table) = table();
    let id = table.virtual_for_task(h(500)).unwrap();
    table.reaped(h(500));
    assert_eq!(table.virtual_of(h(500)), Some(id));
    assert_eq!(table.host_of(id), Some(h(500)));
    assert_eq!(table.task_of(id), None);
    assert_ne!(table.virtual_for(h(501)), Some(id));
    assert_eq!(table.virtual_for(h(500)), Some(id));
    assert_eq!(table.task_of(id), None);
    // The kernel gave the number to a task again, so nothing of that name was left.
    assert_eq!(table.virtual_for_task(h(500)), Some(id));
    assert_eq!(table.task_of(id), Some(h(500)));
    table.reaped(h(500));
    let next = table.reserve().unwrap();
    table.bind(next, h(500));
    assert_eq!(table.host_of(id), None);
    assert_eq!(table.virtual_of(h(500)), Some(next.id()));
}

#[test]
fn a_reserved_id_belongs_to_whoever_is_made_and_can_be_given_back() {
    let (_dir, table) = table();
    let reservation = table.reserve().unwrap();
    table.bind(reservation, h(77));
    table.bind(reservation, h(78));
    assert_eq!(table.virtual_of(h(77)), Some(reservation.id()));
    assert_eq!(table.virtual_of(h(78)), None);
    table.release(reservation);
    assert_eq!(table.host_of(reservation.id()), Some(h(77)));
    let unused = table.reserve().unwrap();
    table.release(unused);
    assert_eq!(table.pairs().count(), 1);
    // The dead predecessor of a host id must not name its successor.
    let next = table.reserve().unwrap();
    table.bind(next, h(77));
    assert_eq!(table.host_of(reservation.id()), None);
    assert_eq!(table.virtual_of(h(77)), Some(next.id()));
}

#[test]
fn ids_are_recycled_and_never_run_out() {
    let (_dir, table) = table();
    let keep = table.virtual_for(h(9)).unwrap();
    let mut seen = HashSet::new();
    for round in 0..200_000 {
        let host = h(10 + round % 32_000);
        let reservation = table.reserve().unwrap();
        table.sweep(2, |ids| !ids.reaped);
        table.bind(reservation, host);
        assert_ne!(reservation.id(), keep);
        seen.insert(reservation.id());
        table.reaped(host);
    }
    assert!(seen.len() > 30_000);
    assert!(table.pairs().count() < 600, "{} pairs", table.pairs().count());
}

#[test]
fn what_is_reserved_stays_so_in_another_table() {
    let (_dir, before) = table();
    before.insert(VirtualId::INIT, h(1));
    let (bound, open) = (before.reserve().unwrap(), before.reserve().unwrap());
    before.bind(bound, h(70));
    assert_eq!(before.reservations().collect::<Vec<_>>(), [open.id()]);
    let (_dir, after) = table();
    before.reservations().for_each(|id| after.insert_reserved(id));
    assert_eq!(after.host_of(open.id()), None);
    assert_ne!(after.virtual_for(h(80)), Some(open.id()));
    after.bind(open, h(90));
    assert_eq!(after.virtual_of(h(90)), Some(open.id()));
    assert_eq!(after.reservations().count(), 0);
}

#[test]
fn a_sweep_takes_out_what_is_gone() {
    let (_dir, table) = table();
    table.insert(VirtualId::INIT, h(1));
    for host in 10..1000 {
        table.virtual_for(h(host)).unwrap();
    }
    table.set_next_id(v(20_000));
    for _ in 0..1000 {
        table.sweep(2, |ids| ids.host.raw() % 10 == 0);
    }
    let left: Vec<_> = table.pairs().map(|ids| ids.host.raw()).collect();
    assert_eq!(left[0], 1);
    assert!(left[1..].iter().all(|host| host % 10 == 0));
    assert_eq!(left.len(), 100);
}

#[test]
fn all_who_name_a_host_id_get_the_same_and_no_two_share_one() {
    let (_dir, table) = table();
    for round in 0..20 {
        let results: Vec<Vec<(i32, VirtualId)>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(move || (1..500).map(|n| (n, table.virtual_for(h(n + round * 500)).unwrap())).collect()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(results.iter().all(|result| *result == results[0]));
    }
    let ids: HashSet<_> = table.pairs().map(|ids| ids.virtual_id).collect();
    assert_eq!(ids.len(), 20 * 499);
}

#[derive(Clone, Debug)]
enum Step {
    For(i32),
    Insert(i32, i32),
    Remove(i32),
    Reaped(i32),
    Fork(i32),
}

fn step() -> impl Strategy<Value = Step> {
    let id = 1..40i32;
    prop_oneof![
        id.clone().prop_map(Step::For),
        (id.clone(), id.clone()).prop_map(|(v, h)| Step::Insert(v, h)),
        id.clone().prop_map(Step::Remove),
        id.clone().prop_map(Step::Reaped),
        id.prop_map(Step::Fork),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_table_is_a_bijection(steps in proptest::collection::vec(step(), 1..200)) {
        let (_dir, table) = table();
        let mut model: BTreeMap<i32, i32> = BTreeMap::new();
        let set = |model: &mut BTreeMap<i32, i32>, id: i32, host: i32| {
            model.retain(|_, h| *h != host);
            model.insert(id, host);
        };
        for step in steps {
            match step {
                Step::For(host) => {
                    let id = table.virtual_for(h(host)).unwrap().raw();
                    match model.iter().find(|(_, h)| **h == host) {
                        Some((known, _)) => prop_assert_eq!(id, *known),
                        None => prop_assert!(model.insert(id, host).is_none()),
                    }
                }
                Step::Insert(id, host) => {
                    table.insert(v(id), h(host));
                    set(&mut model, id, host);
                }
                Step::Remove(id) => {
                    table.remove(v(id));
                    model.remove(&id);
                }
                Step::Reaped(host) => table.reaped(h(host)),
                Step::Fork(host) => {
                    let reservation = table.reserve().unwrap();
                    prop_assert!(!model.contains_key(&reservation.id().raw()));
                    table.bind(reservation, h(host));
                    set(&mut model, reservation.id().raw(), host);
                }
            }
            let pairs: BTreeMap<_, _> = table.pairs().map(|ids| (ids.virtual_id.raw(), ids.host.raw())).collect();
            prop_assert_eq!(&pairs, &model);
            for host in 1..40 {
                let expected = model.iter().find(|(_, h)| **h == host).map(|(id, _)| v(*id));
                prop_assert_eq!(table.virtual_of(h(host)), expected);
            }
        }
    }

    #[test]
    fn keys_go_there_and_back(keys in proptest::collection::vec(any::<i32>(), 1..100)) {
        let (_dir, table) = table();
        let mut hosts = HashMap::new();
        for key in keys.into_iter().chain([0, 1, -1, i32::MIN, i32::MAX]) {
            let host = table.host_key(key);
            prop_assert_eq!(host == 0, key == 0);
            prop_assert_eq!(table.virtual_key(host), key);
            prop_assert_eq!(*hosts.entry(host).or_insert(key), key);
        }
    }

    #[test]
    fn ipc_ids_are_a_bijection(steps in proptest::collection::vec((any::<bool>(), 0..20i32, 0..6i32, 0..20i32), 1..100)) {
        let (_dir, table) = table();
        let mut model: BTreeMap<i32, i32> = BTreeMap::new();
        for (restart, slot, sequence, slot2) in steps {
            let host = sequence << 15 | slot;
            // A slot of the host belongs to one object at a time: an entry for another id in it is stale.
            let stale = |h: &i32| h & 0x7fff == slot && *h != host;
            if restart {
                let id = slot2;
                table.insert_ipc(IpcKind::Sem, VirtualIpc(id), HostIpc(host));
                model.retain(|k, h| !stale(h) && *h != host && k & 0x7fff != id & 0x7fff);
                model.insert(id, host);
            } else {
                let id = table.virtual_ipc_for(IpcKind::Sem, HostIpc(host)).unwrap().0;
                model.retain(|_, h| !stale(h));
                match model.iter().find(|(_, h)| **h == host) {
                    Some((known, _)) => prop_assert_eq!(id, *known),
                    None => prop_assert!(model.insert(id, host).is_none()),
                }
            }
            let ipcs: BTreeMap<_, _> = table.ipcs(IpcKind::Sem).map(|ipc| (ipc.virtual_id.0, ipc.host.0)).collect();
            prop_assert_eq!(&ipcs, &model);
            for (id, host) in &model {
                prop_assert_eq!(table.host_ipc(IpcKind::Sem, VirtualIpc(*id)), Some(HostIpc(*host)));
                prop_assert_eq!(table.virtual_ipc(IpcKind::Sem, HostIpc(*host)), Some(VirtualIpc(*id)));
            }
        }
    }

    #[test]
    fn posix_names_go_there_and_back(name in "[a-z./]{0,230}") {
        let (_dir, table) = table();
        match table.host_posix_name(name.as_bytes()) {
            Some(host) => prop_assert_eq!(table.virtual_posix_name(host.as_bytes()), Some(name.as_bytes())),
            None => prop_assert!(name.len() > POSIX_NAME_MAX),
        }
        prop_assert_eq!(table.virtual_posix_name(b"autopod-0000000000001235-x"), None);
    }
}

#[test]
fn terminals_get_the_lowest_number_that_no_living_one_has() {
    let (_dir, table) = table();
    let all = |_: HostTerminal| true;
    let name = |host: u32| table.virtual_terminal_for(HostTerminal(host), all).unwrap().0;
    assert_eq!([name(7), name(3), name(7), name(900_000)], [0, 1, 0, 2]);
    assert_eq!(table.host_terminal(VirtualTerminal(2)), Some(HostTerminal(900_000)));
    assert_eq!(table.virtual_terminal(HostTerminal(2)), None);
    assert_eq!(table.virtual_terminal_for(HostTerminal(1 << 20), all), None);
    // terminal 3 of the host is gone
    let without = |gone: HostTerminal| gone.0 != 3;
    assert_eq!(table.virtual_terminal_for(HostTerminal(5), without), Some(VirtualTerminal(1)));
    assert_eq!(table.virtual_terminal(HostTerminal(3)), None);
    assert_eq!(name(3), 3);
    // as the engine leaves it after a restart
    assert!(table.insert_terminal(VirtualTerminal(0), HostTerminal(40)));
    assert_eq!(
        (table.virtual_terminal(HostTerminal(7)), table.host_terminal(VirtualTerminal(0))),
        (None, Some(HostTerminal(40)))
    );
    assert!(!table.insert_terminal(VirtualTerminal(1 << 20), HostTerminal(1)));
}

#[test]
fn all_threads_agree_on_the_numbers_of_terminals() {
    let (_dir, table) = table();
    let seen: Vec<Vec<u32>> = std::thread::scope(|scope| {
        let one = || (0..500).map(|host| table.virtual_terminal_for(HostTerminal(host), |_| true).unwrap().0).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(seen.iter().all(|numbers| *numbers == seen[0]));
    assert_eq!(seen[0].iter().collect::<HashSet<_>>().len(), 500);
}
