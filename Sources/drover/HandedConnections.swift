import Platform
import Transport

/// Connections that a parent has accepted and hands over on standard input.
final class HandedConnections: ConnectionSource {
  private let channel = DescriptorChannel(SharedDescriptor(owning: 0))
  private let wakeup: Wakeup

  init(wakeup: Wakeup) { self.wakeup = wakeup }

  func accept(_ connectionWakeup: Wakeup) throws(TransportError) -> Connection {
    while true {
      // One whose peer has left already is no matter.
      if let socket = try next(),
        let connection = try? Connection.adopting(socket, wakeup: connectionWakeup)
      {
        return connection
      }
    }
  }

  func abort() { wakeup.signal() }

  private func next() throws(TransportError) -> SharedDescriptor? {
    let arrival: DescriptorChannel.Arrival
    do throws(PlatformError) {
      let outcome = try wakeup.wait(for: channel.descriptor.raw, .reading, until: nil)
      arrival = outcome == .ready ? try channel.receive() : .end
    } catch {
      throw .system(error)
    }
    switch arrival {
    case .descriptor(let socket): return socket
    case .nothing: return nil
    case .end: throw .cancelled
    }
  }
}
