import CPlatform
import Glibc

/// One end of a pair of sockets over which descriptors go to another process (`SCM_RIGHTS`), which
/// tells of each that it has taken it.
package final class DescriptorChannel: Sendable {
  package let descriptor: SharedDescriptor

  /// One end that was handed over by a parent.
  package init(_ descriptor: SharedDescriptor) { self.descriptor = descriptor }

  /// Calls `socketpair`: each message stays one.
  package static func makePair() throws(PlatformError) -> (DescriptorChannel, DescriptorChannel) {
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw .last("socketpair") }
    return (
      DescriptorChannel(SharedDescriptor(owning: ends[0])),
      DescriptorChannel(SharedDescriptor(owning: ends[1]))
    )
  }

  /// Sends a descriptor, without waiting; false when there is no room, or nobody takes it any more.
  package func send(_ other: SharedDescriptor) -> Bool {
    withExtendedLifetime(other) { drover_send_descriptor(descriptor.raw, other.raw) == 0 }
  }

  /// What a look for the next descriptor has found.
  package enum Arrival: Sendable {
    case descriptor(SharedDescriptor)
    case nothing
    /// The other end is closed.
    case end
  }

  /// Takes the next descriptor and tells so, without waiting.
  package func receive() throws(PlatformError) -> Arrival {
    let raw = drover_receive_descriptor(descriptor.raw)
    if raw >= 0 {
      let taken = SharedDescriptor(owning: raw)
      var byte: UInt8 = 1
      let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
      // Who has sent it keeps it until then, and is not there any more when this fails.
      _ = Glibc.send(descriptor.raw, &byte, 1, flags)
      return .descriptor(taken)
    }
    switch errno {
    case 0: return .end
    case EAGAIN, EINTR: return .nothing
    default: throw .last("recvmsg")
    }
  }

  /// How many descriptors have been taken since the last call, without waiting.
  package func takenCount() -> Int {
    var count = 0
    var byte: UInt8 = 0
    while recv(descriptor.raw, &byte, 1, Int32(MSG_DONTWAIT)) == 1 { count += 1 }
    return count
  }
}
