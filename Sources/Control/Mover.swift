package import Platform

/// How one attempt of a mover ended.
package enum MoverOutcome: Sendable {
  /// The run counts, also when it has a shortfall.
  case completed(MoverCompletion)
  case failed(MoverFailure)
}

/// What a run that counts leaves behind.
package struct MoverCompletion: Sendable {
  package var logs: [UInt8]
  /// Fields of the status below the mover's own section that the run has changed.
  package var statusFields = JSONObject()
  /// What is lacking all the same, in a line: files that could not be read, upkeep that failed. Nil
  /// for a complete run.
  package var shortfall: String?
  /// How the copy that was read, or the image that is kept, was made; nil when there is none.
  package var copyFields: JSONObject?
  /// The image that is kept.
  package var image: ImageReference?

  package init(logs: [UInt8]) { self.logs = logs }
}

/// Why an attempt of a mover failed, as far as retry and exit code need to know.
package struct MoverFailure: DroverError {
  package let kind: FailureKind
  package let message: String
  package let hint: String?
  /// What the mover said until then.
  package let logs: [UInt8]
  /// Fields of the status below the mover's own section that the attempt has changed all the same.
  package let statusFields: JSONObject
  package let guardName: GuardName?
  /// The other end is well but not ready, and asks to be tried again after so long; no failure.
  package var retrySeconds: Double?
  /// The generation of the destination by which this source is out of force.
  package var fencedBy: Int64?

  package init(
    _ kind: FailureKind, _ message: String, hint: String? = nil, logs: [UInt8] = [],
    statusFields: JSONObject = JSONObject(), guardName: GuardName? = nil
  ) {
    self.kind = kind
    self.message = message
    self.hint = hint
    self.logs = logs
    self.statusFields = statusFields
    self.guardName = guardName
  }
}

/// Moves the data of one end of one replication; the state machine knows movers only through this.
package protocol Mover: AnyObject, Sendable {
  /// The name in metrics: `rsync-tls`.
  var name: String { get }

  /// Runs one attempt to its end. Blocks; called again after a failure.
  func synchronize() -> MoverOutcome

  /// Removes what the run has left. Safe to call at any time but during ``synchronize()``, and
  /// again.
  func cleanUp() throws

  /// Ends ``synchronize()`` soon; from any thread, also before it has been called.
  func cancel()
}

/// Which mover serves which section of the specs; others join by ``register(section:make:)``.
package struct MoverRegistry<Request: Sendable>: Sendable {
  package typealias Make = @Sendable (Request) throws -> any Mover

  private var makers: [String: Make] = [:]

  package init() {}

  /// Lets `make` serve the section of that name, once.
  package mutating func register(section: String, make: @escaping Make) {
    precondition(makers[section] == nil, "the section \(section) is registered twice")
    makers[section] = make
  }

  package func serves(_ section: String) -> Bool { makers[section] != nil }

  package var sections: [String] { makers.keys.sorted() }

  /// The mover for a request; nil when nobody serves the section.
  package func makeMover(section: String, _ request: Request) throws -> (any Mover)? {
    try makers[section]?(request)
  }
}

/// How often an unreachable peer is tried again: VolSync's movers.
package struct RetryPolicy: Sendable {
  package var attemptCountMax: Int
  package var firstDelaySeconds: Double

  package init(attemptCountMax: Int, firstDelaySeconds: Double) {
    self.attemptCountMax = attemptCountMax
    self.firstDelaySeconds = firstDelaySeconds
  }

  /// Five tries, after 2, 4, 8 and 16 s.
  package static let mover = RetryPolicy(attemptCountMax: 5, firstDelaySeconds: 2)

  /// Seconds until the next try after `attemptCount` tries; nil when there is none.
  package func delaySeconds(after attemptCount: Int, kind: FailureKind) -> Double? {
    guard kind == .unreachable, attemptCount < attemptCountMax else { return nil }
    var delay = firstDelaySeconds
    for _ in 1..<max(1, attemptCount) { delay *= 2 }
    return delay
  }
}
