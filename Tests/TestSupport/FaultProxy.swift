import Glibc
import Platform

/// An HTTP/1.1 relay before a server that spoils requests by a plan and counts them.
///
/// Heads and bodies pass as they are, so signatures stay valid; `Expect: 100-continue`, chunked
/// bodies and trailers are understood. Each client's connection has one of its own to the server.
package final class FaultProxy: Sendable {
  /// Where the relay listens.
  package var port: UInt16 { server.port }
  private let server: LoopbackServer
  private let state: FaultState

  /// Starts to relay to `targetPort` of 127.0.0.1. With `recordsRequests` every request is kept
  /// for ``requests``; it is counted in any case.
  package init(
    targetPort: UInt16, plan: HTTPFaultPlan = .none, recordsRequests: Bool = true
  ) throws {
    let state = FaultState(plan, recordsRequests)
    self.state = state
    server = try LoopbackServer { client, connections in
      FaultConnection(state, client, connections, targetPort).serve()
    }
  }

  deinit { stop() }

  /// Changes the plan for the requests to come; the counts go on.
  package func setPlan(_ plan: HTTPFaultPlan) { state.setPlan(plan) }

  /// Lets all that is stalled now go on as if nothing had been.
  package func releaseStalled() { state.releaseStalled() }

  /// Waits until no request is under way: the server, too, is through with those that were broken
  /// off.
  package func waitUntilIdle() { state.waitUntilIdle() }

  /// Ends all connections and listens no more.
  package func stop() {
    server.stop()
    state.releaseStalled()
  }

  /// Requests whose head has arrived, spoiled ones included.
  package var requestCount: Int { state.snapshot.requestCount }
  package func count(of kind: S3RequestKind) -> Int { state.snapshot.counts[kind] ?? 0 }
  package func count(ofMethod method: String) -> Int { state.snapshot.methods[method] ?? 0 }
  package var counts: [S3RequestKind: Int] { state.snapshot.counts }
  /// Requests that have met a fault.
  package var faultCount: Int { state.snapshot.faultCount }
  /// Requests that stand stalled at this moment.
  package var stalledCount: Int { state.snapshot.stalledCount }
  /// The most requests that were under way at one moment.
  package var concurrencyMax: Int { state.snapshot.concurrencyMax }
  /// Connections of clients so far.
  package var connectionCount: Int { server.connections.acceptedCount }
  /// Bytes of request bodies that the relay has taken from clients, chunk lines included.
  package var requestBodyBytes: Int { state.snapshot.requestBodyBytes }
  package var responseBodyBytes: Int { state.snapshot.responseBodyBytes }

  /// What was recorded, in the order in which the heads arrived.
  package var requests: [RecordedRequest] { state.snapshot.requests }
}

/// A request as a relay saw it.
package struct RecordedRequest: Sendable {
  package let method: String
  /// The path with the query, as it stood in the request.
  package let target: String
  package let kind: S3RequestKind
  /// In the order of the request; names in lower case. They hold signatures but no secrets.
  package let headers: [WireHeader]
  package let fault: HTTPFault
  /// What the client was sent; nil when it was sent no answer, or not yet.
  package internal(set) var status: Int?
  /// How many requests had come when the client was sent the answer's head.
  package internal(set) var answeredAfterCount: Int?

  /// The value of a header named in lower case.
  package subscript(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

/// What all connections of a relay share.
final class FaultState: @unchecked Sendable {
  struct Snapshot {
    var requestCount = 0
    var faultCount = 0
    var stalledCount = 0
    var concurrency = 0
    var concurrencyMax = 0
    var requestBodyBytes = 0
    var responseBodyBytes = 0
    var counts: [S3RequestKind: Int] = [:]
    var methods: [String: Int] = [:]
    var requests: [RecordedRequest] = []
  }

  /// A request that has been counted.
  struct Admission {
    let number: Int
    let fault: HTTPFault
  }

  private let lock = Lock()
  private let changed: Condition
  private let recordsRequests: Bool
  private var plan: HTTPFaultPlan
  private var current = Snapshot()
  private var attempts: [String: Int] = [:]
  private var releases = 0

  init(_ plan: HTTPFaultPlan, _ recordsRequests: Bool) {
    self.plan = plan
    self.recordsRequests = recordsRequests
    changed = Condition(lock)
  }

  var snapshot: Snapshot { lock.withLock { current } }

  func setPlan(_ plan: HTTPFaultPlan) { lock.withLock { self.plan = plan } }

  /// Counts a request and asks the plan for it.
  func admit(_ head: WireHead) -> Admission {
    let kind = S3RequestKind(
      method: head.method, target: head.target, copies: head["x-amz-copy-source"] != nil)
    return lock.withLock {
      let thing = "\(head.method) \(HTTPFaultPlan.stable(head.target))"
      let request = HTTPFaultPlan.Request(
        method: head.method, target: head.target, kind: kind, number: current.requestCount,
        numberOfKind: current.counts[kind] ?? 0, attempt: attempts[thing] ?? 0)
      let fault = plan.fault(request)
      current.requestCount += 1
      current.counts[kind, default: 0] += 1
      current.methods[head.method, default: 0] += 1
      attempts[thing, default: 0] += 1
      if fault != .none { current.faultCount += 1 }
      current.concurrency += 1
      current.concurrencyMax = max(current.concurrencyMax, current.concurrency)
      if recordsRequests {
        current.requests.append(
          RecordedRequest(
            method: head.method, target: head.target, kind: kind, headers: head.headers,
            fault: fault))
      }
      return Admission(number: request.number, fault: fault)
    }
  }

  func finish() {
    lock.withLock {
      current.concurrency -= 1
      changed.broadcast()
    }
  }

  func waitUntilIdle() {
    lock.withLock { while current.concurrency > 0 { changed.wait() } }
  }

  func answered(_ admission: Admission, status: Int) {
    lock.withLock {
      guard recordsRequests else { return }
      current.requests[admission.number].status = status
      current.requests[admission.number].answeredAfterCount = current.requestCount
    }
  }

  func passed(requestBytes: Int = 0, responseBytes: Int = 0) {
    lock.withLock {
      current.requestBodyBytes += requestBytes
      current.responseBodyBytes += responseBytes
    }
  }

  func releaseStalled() {
    lock.withLock {
      releases += 1
      changed.broadcast()
    }
  }

  /// Waits until ``releaseStalled()``, or until `isGone` says so, which is asked ten times a
  /// second.
  func stall(until isGone: () -> Bool) {
    lock.withLock {
      let before = releases
      current.stalledCount += 1
      while releases == before {
        _ = changed.wait(until: MonotonicTime.now().advanced(bySeconds: 0.1))
        if isGone() { break }
      }
      current.stalledCount -= 1
    }
  }
}
