//! Are the ports free? Asked before anything starts, so that the answer is one sentence and not ten crash loops.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use super::plan::{Port, ports};
use crate::exit;

/// Refuses with the first taken port, and the flag that changes it.
pub(crate) fn check(base: u16, bind: IpAddr, with_canary: bool) -> anyhow::Result<()> {
    for port in ports(base, with_canary) {
        let address = if port.number < base + 13 {
            bind
        } else {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        };
        match TcpListener::bind(SocketAddr::new(address, port.number)) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                return Err(exit::usage(taken(&port, free_base(base, bind, with_canary))));
            }
            Err(error) => anyhow::bail!("cannot listen on {address}:{} ({}): {error}", port.number, port.purpose),
        }
    }
    Ok(())
}

fn taken(port: &Port, free: Option<u16>) -> String {
    let hint = free.map_or_else(String::new, |base| format!(", for example `--port-base {base}`"));
    format!(
        "port {} ({}) is taken by another program. Choose other ports with --port-base{hint}",
        port.number, port.purpose
    )
}

/// The next base, in steps of 100, whose ports are all free now.
fn free_base(after: u16, bind: IpAddr, with_canary: bool) -> Option<u16> {
    (1..=20_u16)
        .filter_map(|step| after.checked_add(step * 100))
        .filter(|base| *base <= 65_500)
        .find(|base| {
            ports(*base, with_canary)
                .iter()
                .all(|port| TcpListener::bind(SocketAddr::new(bind, port.number)).is_ok())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_taken_port_is_named_with_the_flag_that_changes_it() {
        let holder = TcpListener::bind((LOOPBACK, 0)).unwrap();
        let taken = holder.local_addr().unwrap().port();
        let error = check(taken - 1, LOOPBACK, false).unwrap_err();
        // Another program may hold the port just below; then that one is named.
        let text = error.to_string();
        assert!(text.contains("is taken") && text.contains("--port-base"), "{text}");
        assert!(error.downcast_ref::<exit::Usage>().is_some());
    }
}
