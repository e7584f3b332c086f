import Glibc

/// Ignores SIGPIPE for the process, once: a write to a connection that is gone must fail, not kill.
///
/// `write` inside OpenSSL and on pipes has no flag for that, as `send` has.
func ignoreSIGPIPE() {
  _ = sigpipeIsIgnored
}

private let sigpipeIsIgnored: Bool = {
  signal(SIGPIPE, SIG_IGN)
  return true
}()
