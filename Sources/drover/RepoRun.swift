import ArgumentParser
import BackupRepository
import Glibc
import ObjectStorage
import Platform

/// One run of a command of `drover repo`: its options, its output, and the way to the repository.
final class RepoRun: Sendable {
  let options: RepoOptions
  let output: RepoOutput
  private let cache: CacheDirectory?
  private let interruption: Interruption

  private init(_ options: RepoOptions) {
    self.options = options
    let output = RepoOutput(options)
    self.output = output
    cache = RepoCache.directory(options) { output.warn($0) }
    interruption = Interruption.ofProcess(hangup: .ofTerminal)
  }

  /// Runs a command to its end and tells its failure; ends with the exit codes of restic.
  static func end(
    _ options: RepoOptions, _ body: (RepoRun) throws -> RepoExitStatus
  ) throws {
    StartedProcess.hideFromDumps()
    let run = RepoRun(options)
    run.explainIgnored()
    var status: RepoExitStatus
    do {
      status = try body(run)
    } catch let error as any DroverError {
      status = run.isInterrupted() ? .interrupted : RepoExitStatus(error)
      run.output.failed(error, status)
    }
    Console.standard.showStatus("")
    Console.standard.flush()
    if status != .done { throw ExitCode(status.rawValue) }
  }

  /// Asked by the engines from all their threads.
  var isInterrupted: @Sendable () -> Bool {
    let interruption = interruption
    return { interruption.isInterrupted }
  }

  private func explainIgnored() {
    // What is wrong with the address shows when it is used.
    let address = try? RepositoryAddress.chosen(options)
    let isLocal = if case .local? = address { true } else { false }
    if let first = options.extended.first(where: { isLocal || !$0.hasPrefix("s3.") }) {
      output.warn("-o \(first): options of another back end have no meaning here; ignored")
    }
    guard isLocal else { return }
    let forTLS = !options.cacert.isEmpty || options.tlsClientCert != nil || options.insecureTls
    if forTLS, output.verbosity > 1 {
      output.warn("--cacert and the like are for repositories behind TLS; not used here")
    }
  }

  // MARK: Repository

  /// Opens the repository without a lock.
  func open(inputIsTaken: Bool = false) throws(RepositoryError) -> Repository {
    let address = try RepositoryAddress.chosen(options)
    let store = wrapped(try address.open(try storeSettings()))
    let password = try RepoPassword(options: options, isInterrupted: isInterrupted)
      .obtain(inputIsTaken: inputIsTaken)
    output.say("open repository", from: 2)
    var options = try repositoryOptions()
    options.cacheDirectory = cache?.path
    let repository = try Repository.open(store, password: password, options: options)
    output.say(
      "repository \(repository.config.id.short) opened (version"
        + " \(repository.version.rawValue))", from: 2)
    return repository
  }

  /// Opens the repository and works on it under a lock, which is released in any case.
  ///
  /// Readers go without one after `--no-lock`; what works long does not wait for the second look at
  /// the locks of others. `body` gets the repository that refuses changes once
  /// the lock is lost.
  func withRepository<Result>(
    _ mode: LockMode, isReader: Bool = false, inputIsTaken: Bool = false, worksLong: Bool = false,
    _ body: (Repository) throws -> Result
  ) throws -> Result {
    let repository = try open(inputIsTaken: inputIsTaken)
    if isReader, options.noLock { return try body(repository) }
    var lockOptions = lockOptions
    lockOptions.settlesBehind = worksLong
    let lock = try RepositoryLock.acquire(repository, mode, options: lockOptions)
    defer { lock.release() }
    do {
      let result = try body(repository.guarded(by: lock))
      try lock.settle()
      return result
    } catch {
      if !isInterrupted() { try lock.check() }
      throw error
    }
  }

  var lockOptions: LockOptions {
    var result = LockOptions()
    result.retrySeconds = options.retryLock ?? 0
    result.ledgerDirectory = cache?.lockLedger
    result.isCancelled = isInterrupted
    let output = output
    result.observe = { event in
      switch event {
      case .waiting:
        output.say(event.description)
        // Nothing else is printed for a while.
        Console.standard.flush()
      case .removedDead: output.say(event.description, from: 2)
      case .refreshFailed, .leftBehind: output.warn(event.description)
      }
    }
    return result
  }

  /// Makes the repository.
  func create(
    _ creation: Repository.Creation
  ) throws(RepositoryError) -> (repository: Repository, now: GoTime) {
    let address = try RepositoryAddress.chosen(options)
    // Before a password is asked for.
    if let store = try? address.open(storeSettings()) { try refuseExisting(store) }
    let password = try RepoPassword(options: options, isInterrupted: isInterrupted)
      .obtain(isNew: true)
    let now = GoTime.now()
    let store = wrapped(try address.create(try storeSettings()))
    let repository = try Repository.create(
      store, password: password, creation, options: try repositoryOptions(), now: now)
    return (repository, now)
  }

  private func refuseExisting(_ store: any ObjectStore) throws(RepositoryError) {
    do throws(ObjectStoreError) {
      _ = try store.stat(try ObjectKey(RepositoryLayout.config))
    } catch {
      // Whatever is wrong shows when the repository is made.
      return
    }
    throw .exists(place: store.description, found: RepositoryLayout.config)
  }

  /// What a store that is no directory needs.
  private func storeSettings() throws(RepositoryError) -> StoreSettings {
    var settings = StoreSettings(isCancelled: isInterrupted) { RepoEnvironment[$0] }
    for option in options.extended {
      let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      settings.options[String(parts[0])] = parts.count > 1 ? String(parts[1]) : ""
    }
    settings.verifiesServer = !options.insecureTls
    settings.userAgent = options.httpUserAgent
    do throws(PlatformError) {
      for path in certificatePaths {
        let bytes = try SmallFile.read(path, sizeBytesMax: RepoRun.certificateSizeBytesMax)
        settings.certificates += bytes + [UInt8(ascii: "\n")]
      }
    } catch {
      throw .platform(error)
    }
    return settings
  }

  private var certificatePaths: [String] {
    guard options.cacert.isEmpty, let paths = RepoEnvironment["RESTIC_CACERT"] else {
      return options.cacert
    }
    return paths.split(separator: ",").map(String.init)
  }

  private static let certificateSizeBytesMax = 4 << 20

  private func repositoryOptions() throws(RepositoryError) -> RepositoryOptions {
    var result = RepositoryOptions()
    result.temporaryDirectory = RepoEnvironment.temporaryDirectory
    do { result.compression = try options.settings.compression } catch {
      throw .usage("\(error)")
    }
    if let hint = options.keyHint ?? RepoEnvironment["RESTIC_KEY_HINT"] {
      result.keyHint = KeyID(hex: hint)
      if result.keyHint == nil { output.warn("the key hint is no identifier of 64 digits") }
    }
    return result
  }

  private func wrapped(_ store: any ObjectStore) -> any ObjectStore {
    var store = store
    if options.limitUpload ?? 0 > 0 || options.limitDownload ?? 0 > 0 {
      store = PacedStore(
        store, uploadBytesPerSecond: options.limitUpload.flatMap { $0 > 0 ? $0 << 10 : nil },
        downloadBytesPerSecond: options.limitDownload.flatMap { $0 > 0 ? $0 << 10 : nil },
        isCancelled: isInterrupted)
    }
    let output = output
    return RetryingStore(
      store, isCancelled: isInterrupted,
      observe: { notice in
        output.warn(
          "\(notice.operation.rawValue) \(notice.key): \(notice.error.description); once more in"
            + " \(Shown.decimal(notice.delaySeconds, places: 1)) s")
      })
  }

  // MARK: Snapshots

  /// All snapshots, oldest first; damaged ones are told and left out.
  func snapshots(_ repository: Repository) throws(RepositoryError) -> [StoredSnapshot] {
    try repository.snapshots { id, error in
      output.itemFailed("snapshot \(id.short)", during: "load", error.description)
    }
  }

  /// The one that a reference means.
  func snapshot(
    _ text: String, in snapshots: [StoredSnapshot], _ filter: SnapshotFilter
  ) throws -> (snapshot: StoredSnapshot, subfolder: String?) {
    let reference = try SnapshotReference(parsing: text)
    let found = try SnapshotChoice.find(
      reference, in: snapshots.map(RetentionSnapshot.init), filter: filter)
    guard let snapshot = snapshots.first(where: { $0.id == found.id }) else {
      preconditionFailure("a chosen snapshot is one of those given")
    }
    return (snapshot, reference.subfolder)
  }
}

/// Options that choose snapshots.
struct RepoFilterOptions: ParsableArguments {
  @Option(
    name: [.customShort("H", allowingJoined: true), .long], parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Only snapshots of this host; repeatable [$RESTIC_HOST].", valueName: "host")
  )
  var host: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Only snapshots with all these tags; repeatable for a choice.", valueName: "tag,tag"))
  var tag: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Only snapshots with this path; repeatable.", valueName: "path"))
  var path: [String] = []

  var filter: SnapshotFilter { RepoFilterOptions.filter(host: host, tag: tag, path: path) }

  static func filter(host: [String], tag: [String], path: [String]) -> SnapshotFilter {
    var hosts = host
    if hosts.isEmpty, let name = RepoEnvironment["RESTIC_HOST"] { hosts = [name] }
    // An empty host on the command line stands for all, against the environment.
    return SnapshotFilter(
      hosts: hosts == [""] ? [] : hosts, tags: tag.map(TagList.init(parsing:)), paths: path)
  }
}
