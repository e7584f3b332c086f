import Glibc

/// Owns one file descriptor and closes it at the end of its life.
package struct Descriptor: ~Copyable, Sendable {
  package let raw: Int32

  package init(owning raw: Int32) { self.raw = raw }

  deinit {
    close(raw)
  }

  /// Gives the descriptor away; the caller closes it.
  package consuming func release() -> Int32 {
    let raw = raw
    discard self
    return raw
  }
}

/// A descriptor shared by several holders, closed when the last lets go.
package final class SharedDescriptor: Sendable {
  package let raw: Int32

  package init(owning raw: Int32) { self.raw = raw }

  deinit {
    close(raw)
  }
}
