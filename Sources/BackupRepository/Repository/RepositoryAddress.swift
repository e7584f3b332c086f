package import ObjectStorage
import Platform

/// Where a repository is, as restic writes it.
package enum RepositoryAddress: Sendable, Equatable {
  case local(path: String)
  case s3(S3Location)

  /// Schemes of restic's other back ends.
  private static let remote: Set<String> = [
    "rest", "sftp", "b2", "azure", "gs", "swift", "rclone",
  ]

  /// Reads an address: a path, `local:` and a path, or `s3:` with a host, a bucket and a prefix.
  /// - Throws: `RepositoryError.unsupported` for the other back ends of restic, `.usage`.
  package init(_ text: String) throws(RepositoryError) {
    guard !text.isEmpty else { throw .usage("the address of the repository is empty") }
    let isPath = ["/", "./", "../"].contains { text.hasPrefix($0) } || text == "." || text == ".."
    guard !isPath, let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) else {
      self = .local(path: text)
      return
    }
    let scheme = String(text[..<colon])
    if scheme == "local" {
      let path = String(text[text.utf8.index(after: colon)...])
      guard !path.isEmpty else { throw .usage("after 'local:' stands a path") }
      self = .local(path: path)
    } else if scheme == "s3" {
      do throws(S3Error) {
        self = .s3(try S3Location(String(text[text.utf8.index(after: colon)...])))
      } catch {
        throw .usage(error.message)
      }
    } else if RepositoryAddress.remote.contains(scheme) {
      // The rest of such an address may hold a password.
      throw .unsupported(
        what: "a repository behind '\(scheme):'", place: "directories and s3: are served so far")
    } else {
      throw .usage(
        "'\(printable(scheme.utf8)):' is no kind of repository; write local: before the path of a"
          + " directory")
    }
  }

  /// Opens what is there.
  /// - Throws: `RepositoryError.noRepository` when nothing is.
  package func open(
    _ settings: StoreSettings = StoreSettings()
  ) throws(RepositoryError) -> any ObjectStore {
    switch self {
    case .s3(let location): return try RepositoryAddress.store(at: location, settings)
    case .local(let path):
      do throws(ObjectStoreError) { return try LocalStore(at: path) } catch {
        if error.kind == .notFound { throw .noRepository(place: path) }
        throw .store(error)
      }
    }
  }

  private static func store(
    at location: S3Location, _ settings: StoreSettings
  ) throws(RepositoryError) -> S3Store {
    do throws(S3Error) { return try S3Store(at: location, settings) } catch {
      throw error.kind == .usage ? .usage(error.message) : .store(error)
    }
  }

  /// Makes the place of a new repository: the directory with its folders, or the bucket.
  package func create(
    _ settings: StoreSettings = StoreSettings()
  ) throws(RepositoryError) -> any ObjectStore {
    switch self {
    case .s3(let location):
      let store = try RepositoryAddress.store(at: location, settings)
      do throws(S3Error) { try store.createBucket() } catch { throw .store(error) }
      return store
    case .local(let path):
      do throws(ObjectStoreError) {
        let folders = try RepositoryLayout.directories.map { (name) throws(ObjectStoreError) in
          try ObjectKey(name)
        }
        return try LocalStore.create(at: path, folders: folders)
      } catch {
        throw .store(error)
      }
    }
  }
}
