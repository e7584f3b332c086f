import BackupRepository
import Glibc
import ObjectStorage
import Platform

/// The way of a job to its repository: the store, the cache, the locks.
struct ResticAccess: Sendable {
  /// Seconds to wait for another's lock. A forget lasts no longer; who meets a prune comes again.
  private static let lockWaitSeconds = 20.0

  let repository: ResticRepository
  let isCancelled: @Sendable () -> Bool
  private let settings: StoreSettings
  let tell: @Sendable (MoverEvent) -> Void
  private let cache: CacheDirectory?

  init(
    _ job: ResticJob, isCancelled: @escaping @Sendable () -> Bool,
    tell: @escaping @Sendable (MoverEvent) -> Void
  ) {
    repository = job.repository
    self.isCancelled = isCancelled
    self.tell = tell
    settings = job.repository.settings(isCancelled: isCancelled)
    guard let path = job.cacheDirectory else {
      cache = nil
      return
    }
    do throws(PlatformError) { cache = try CacheDirectory(making: path) } catch {
      // The work goes on without it.
      tell(.note("no cache: \(error.message)"))
      cache = nil
    }
  }

  /// Whether the repository is a directory of this machine.
  var isLocal: Bool { repository.address.hasPrefix("/") }

  /// Where scratch files stand.
  var temporaryDirectory: String { getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp" }

  /// Opens the repository that is there.
  func open() throws(RepositoryError) -> Repository {
    try open(try RepositoryAddress(repository.address).open(settings))
  }

  /// Opens the repository, or makes it where there is none.
  func openOrCreate() throws(RepositoryError) -> Repository {
    do throws(RepositoryError) { return try open() } catch {
      guard case .noRepository = error else { throw error }
    }
    let identity = LockIdentity.current()
    var creation = Repository.Creation()
    creation.hostname = identity.hostname
    creation.username = identity.username
    let store = try RepositoryAddress(repository.address).create(settings)
    let made = try Repository.create(
      retrying(store), password: repository.password, creation, options: options, now: .now())
    tell(.note("created repository \(made.config.id.short) at \(made.place)"))
    return made
  }

  private func open(_ store: any ObjectStore) throws(RepositoryError) -> Repository {
    try Repository.open(retrying(store), password: repository.password, options: options)
  }

  private var options: RepositoryOptions {
    var options = RepositoryOptions()
    options.cacheDirectory = cache?.path
    options.temporaryDirectory = temporaryDirectory
    options.compression = repository.compression
    return options
  }

  private func retrying(_ store: any ObjectStore) -> RetryingStore {
    RetryingStore(store, isCancelled: isCancelled) { [tell] notice in
      tell(.note("\(notice.operation.rawValue) \(notice.key): \(notice.error.description)"))
    }
  }

  /// How locks are taken and told of.
  var lockOptions: LockOptions {
    var result = LockOptions()
    result.retrySeconds = ResticAccess.lockWaitSeconds
    result.ledgerDirectory = cache?.lockLedger
    result.isCancelled = isCancelled
    result.observe = { [tell] in tell(.note($0.description)) }
    return result
  }

  /// Works on a repository under a lock, which is released in any case.
  func holding<Result>(
    _ mode: LockMode, of repository: Repository,
    _ body: (Repository) throws(RepositoryError) -> Result
  ) throws(RepositoryError) -> Result {
    try RepositoryLock.holding(repository, mode, options: lockOptions, body)
  }
}
