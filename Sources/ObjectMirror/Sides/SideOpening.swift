import Glibc
import HTTPClient
package import ObjectStorage
package import Remotes

/// From what a remote is to a side of a mirror: the settings that all sides of a run share.
package struct SideOpening: Sendable {
  /// What is done with a directory that is not there.
  package enum Absence: Sendable {
    case refuse
    case make
    /// As ``make``, without a change.
    case pretend
  }

  /// Connections to one service, at most.
  private static let connectionCountMax = 64

  /// Files under way, and files that are compared, at once.
  package var transferCount = 4
  package var checkerCount = 8
  /// Attempts of one request.
  package var attemptsMax = 10
  package var verifiesServer = true
  /// Nil for the usual one.
  package var userAgent: String?
  /// Certificates in PEM to trust besides those of the system.
  package var certificates: [UInt8] = []
  /// A variable for credentials of the remote's chain; nil when it is not set or empty.
  package var variable: @Sendable (String) -> String? = { _ in nil }
  /// What is made in a directory can be read by nobody else.
  package var makesPrivately = false
  /// Shared by all sides of a process; nil without a limit.
  package var bandwidth: BandwidthLimit?
  package var requests: RequestLimit?
  package var isCancelled: @Sendable () -> Bool = { false }
  package var observe: @Sendable (S3RetryNotice) -> Void = { _ in }

  package init() {}

  /// Opens a side. A store is not asked before it is needed.
  /// - Throws: as ``LocalSide/init(path:options:makes:)`` and
  ///   ``StoreSide/init(_:_:_:)``.
  package func open(
    _ remote: Remote, absence: Absence = .refuse
  ) throws(MirrorError) -> MirrorSide {
    switch remote {
    case .local(let path, let options):
      if absence == .pretend, access(path, F_OK) != 0, errno == ENOENT {
        return .local(try LocalSide(absent: path, options: options))
      }
      return .local(
        try LocalSide(
          path: path, options: options, makes: absence == .make, isPrivate: makesPrivately))
    case .s3(let options, let place):
      return .store(try StoreSide(options, place, settings(options)))
    }
  }

  /// Opens what is read: a directory, a prefix, or a single file. Whether an object has the name
  /// is asked.
  package func openSource(
    _ remote: Remote, destinationCount: Int
  ) throws(MirrorError) -> MirrorSide {
    switch remote {
    case .local(let path, let options):
      if let file = try LocalSide(file: path, options: options) { return .local(file) }
      return .local(try LocalSide(path: path, options: options))
    case .s3(let options, let place):
      var settings = settings(options)
      // Each destination that reads for itself has requests of its own.
      settings.connectionsMax += transferCount * destinationCount
      let side = try StoreSide(options, place, settings)
      return .store(try side.asObject() ?? side)
    }
  }

  private func settings(_ options: S3RemoteOptions) -> StoreSideSettings {
    var settings = StoreSideSettings()
    settings.variable = variable
    settings.attemptsMax = attemptsMax
    settings.connectionsMax = min(
      checkerCount + transferCount * options.transfer.partsInFlight + 1,
      SideOpening.connectionCountMax)
    settings.isCancelled = isCancelled
    settings.bandwidth = bandwidth
    settings.requests = requests
    settings.observe = observe
    settings.http.isCancelled = isCancelled
    settings.http.idleCountMax = settings.connectionsMax
    settings.http.verifiesServer = verifiesServer
    settings.http.certificates = certificates
    if let userAgent { settings.http.userAgent = userAgent }
    return settings
  }
}
