import Manifests
import Platform
import Replication
import Transport

/// Who is listened for, on which sockets, and which runs wait for peers. Safe from any thread.
final class GateTable: @unchecked Sendable {
  private static let retrySeconds = 2.0

  /// Where a connection belongs.
  struct Place {
    var entry: ListeningGate.Entry
    var keys: KeyRing
  }

  /// What becomes of a peer.
  enum Decision {
    /// It was handed to a run.
    case handed
    /// It is told why not, or fails in its handshake by these keys.
    case answered(Place, ListeningGate.Absence?)
    /// Nobody is listened for there any more.
    case closed
  }

  private let lock = Lock()
  // Guarded by `lock`.
  private var places: [ObjectKey: Place] = [:]
  private var order: [ObjectKey] = []
  private var listeners: [String: Listener] = [:]
  private var failures: [String: (error: TransportError, time: MonotonicTime)] = [:]
  private var seats: [ObjectKey: GateSeat] = [:]
  private var ask: ListeningGate.Ask = { _, _ in nil }

  func set(_ entries: [ListeningGate.Entry], ask: @escaping ListeningGate.Ask) {
    lock.withLock {
      self.ask = ask
      places = [:]
      order = []
      for entry in entries {
        // A key file that is no good stands against its object already.
        guard let keys = try? GateTable.keys(of: entry) else { continue }
        places[entry.key] = Place(entry: entry, keys: keys)
        order.append(entry.key)
      }
      let wanted = Set(entries.map(\.address.description))
      listeners = listeners.filter { wanted.contains($0.key) }
      failures = failures.filter { wanted.contains($0.key) }
      for key in order {
        // Told to the run that waits there.
        if let address = places[key]?.entry.address { _ = try? listener(on: address) }
      }
    }
  }

  private static func keys(of entry: ListeningGate.Entry) throws -> KeyRing {
    try entry.keyFile.withUnsafeBytes { try KeyRing(parsing: $0, source: KeyFile.name) }
  }

  /// Under the lock.
  private func listener(on address: HostPort) throws(TransportError) -> Listener {
    let name = address.description
    if let listener = listeners[name] { return listener }
    do throws(TransportError) {
      let wakeup: Wakeup
      do throws(PlatformError) { wakeup = try Wakeup() } catch {
        throw TransportError.system(error)
      }
      let listener = try Listener(
        on: Endpoint(host: address.host, port: address.port), wakeup: wakeup)
      listeners[name] = listener
      failures[name] = nil
      return listener
    } catch {
      failures[name] = (error, .now())
      throw error
    }
  }

  func open(_ key: ObjectKey) throws -> GateSeat {
    try lock.withLock {
      guard let place = places[key] else { throw GateError.noKey(key) }
      let address = place.entry.address
      let listener = try listener(on: address)
      if let other = order.first(where: { $0 != key && sharesKey(place, $0) }),
        "\(other)" < "\(key)"
      {
        throw GateError.sameKey(key, other: other, address: address)
      }
      let bound = HostPort(host: address.host, port: listener.boundPort)
      let seat = GateSeat(key, address: bound, placeName: address.description)
      seats[key] = seat
      return seat
    }
  }

  func address(of key: ObjectKey) -> HostPort? {
    lock.withLock {
      guard let address = places[key]?.entry.address,
        let listener = listeners[address.description]
      else { return nil }
      return HostPort(host: address.host, port: listener.boundPort)
    }
  }

  /// Whether a peer could not say which of two it means. Under the lock.
  private func sharesKey(_ place: Place, _ other: ObjectKey) -> Bool {
    guard let other = places[other], other.entry.address == place.entry.address else {
      return false
    }
    return other.entry.keyFile == place.entry.keyFile
  }

  func close(_ seat: GateSeat) -> [SharedDescriptor] {
    lock.withLock {
      if seats[seat.key] === seat { seats[seat.key] = nil }
      return seat.end()
    }
  }

  /// The sockets to accept on; those that could not be opened are tried again now and then.
  func openListeners() -> (listeners: [(name: String, listener: Listener)], hasFailed: Bool) {
    lock.withLock {
      for (name, failure) in failures
      where MonotonicTime.now().seconds(since: failure.time) >= GateTable.retrySeconds {
        let place = places.values.first { $0.entry.address.description == name }
        // Noted again.
        if let place { _ = try? listener(on: place.entry.address) }
      }
      return (listeners.map { ($0.key, $0.value) }, !failures.isEmpty)
    }
  }

  /// Runs whose movers tell which connections they have taken.
  func channels() -> [GateSeat] { lock.withLock { seats.values.filter { $0.channel != nil } } }

  /// Decides about a peer that has come to the listener of a name.
  func decide(
    _ connection: SharedDescriptor, _ hello: ClientHello?, to name: String
  ) -> Decision {
    let here = lock.withLock {
      order.compactMap { places[$0] }.filter { $0.entry.address.description == name }
    }
    guard let hello, let place = here.first(where: { $0.isProved(by: hello) }) else {
      // It fails in the handshake, by which it learns why.
      let named = here.first { place in
        place.keys.keys.contains { hello?.offers($0.identity) == true }
      }
      return (named ?? here.first).map { .answered($0, nil) } ?? .closed
    }
    let (seat, ask) = lock.withLock { (seats[place.entry.key], self.ask) }
    let readiness: ListeningGate.Readiness =
      seat.map { $0.channel == nil ? .waiting : .atWork } ?? .none
    if let absence = ask(place.entry.key, readiness) { return .answered(place, absence) }
    if let seat, seat.hand(connection) { return .handed }
    return .answered(place, ListeningGate.Absence("it is busy", seconds: 2))
  }
}

extension GateTable.Place {
  fileprivate func isProved(by hello: ClientHello) -> Bool {
    keys.keys.contains { hello.isProved(by: $0) }
  }
}

/// Why a destination cannot be listened for.
enum GateError: DroverError {
  case noKey(ObjectKey)
  case sameKey(ObjectKey, other: ObjectKey, address: HostPort)

  var kind: FailureKind { .usage }

  var message: String {
    switch self {
    case .noKey(let key): "\(key) has no key that can be used"
    case .sameKey(let key, let other, let address):
      "\(key) listens on \(address) with the key of \(other): a source could not say which it means"
    }
  }

  var hint: String? {
    switch self {
    case .noKey: nil
    case .sameKey: "Give each destination of one port a key of its own, or another port."
    }
  }
}
