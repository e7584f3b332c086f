import Glibc
package import Manifests
package import Platform

/// What an object's change came to, in kubectl's words.
package enum ChangeOutcome: String, Sendable {
  case created
  case configured
  case unchanged
  case deleted
  case patched
}

/// What stands in a state directory.
package struct StateContents: Sendable {
  package private(set) var set = ManifestSet()
  package private(set) var own: [ObjectKey: OwnRecord] = [:]
  /// What is wrong, by the object in whose file it is.
  package private(set) var problems: [ObjectKey: [Problem]] = [:]
  /// Of every file with an object: while they stay as they are, so does every object.
  package private(set) var stamps: [ObjectKey: FileStamp] = [:]

  package init() {}

  mutating func add(_ object: LoadedObject, _ record: OwnRecord, _ stamp: FileStamp) {
    _ = set.insert(object)
    own[object.key] = record
    stamps[object.key] = stamp
  }

  mutating func add(broken key: ObjectKey, _ problems: [Problem], _ stamp: FileStamp) {
    set.insertBroken(key)
    self.problems[key] = problems
    stamps[key] = stamp
  }

  /// Tells whether a file that was wrong is the same one as before.
  package var brokenStamps: [ObjectKey: FileStamp] {
    stamps.filter { problems[$0.key] != nil }
  }

  /// The object as a server gives it.
  package func document(_ key: ObjectKey) -> JSONObject? {
    guard let object = set.object(key), let own = own[key] else { return nil }
    return object.document.merged(with: own)
  }
}

/// Tells a file from what it was before.
package struct FileStamp: Sendable, Equatable {
  private var inode: UInt64
  private var size: Int64
  private var seconds: Int64
  private var nanoseconds: Int64

  static let none = FileStamp(inode: 0, size: 0, seconds: 0, nanoseconds: 0)

  private init(inode: UInt64, size: Int64, seconds: Int64, nanoseconds: Int64) {
    self.inode = inode
    self.size = size
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }

  /// Nil when there is no such file.
  init?(of path: String) {
    var information = stat()
    guard lstat(path, &information) == 0 else { return nil }
    self.init(
      inode: UInt64(information.st_ino), size: Int64(information.st_size),
      seconds: Int64(information.st_mtim.tv_sec), nanoseconds: Int64(information.st_mtim.tv_nsec))
  }
}

/// An object's file as it was read last.
struct ReadFile: Sendable {
  var stamp: FileStamp
  var content: Result<LoadedObject, FileProblems>
  /// Of the object; empty without one.
  var specDigest: String

  init(stamp: FileStamp, content: Result<LoadedObject, FileProblems>) {
    self.stamp = stamp
    self.content = content
    // What is wrong with it stands in the content.
    specDigest = (try? content.get().document.specDigest) ?? ""
  }
}

/// What is wrong with a file.
struct FileProblems: Error {
  let problems: [Problem]

  init(_ problems: [Problem]) { self.problems = problems }
}

extension JSONObject {
  /// A copy with a field set or, with nil, taken away; mappings on the way are made.
  func setting(_ value: JSONValue?, at path: ArraySlice<String>) -> JSONObject {
    guard let name = path.first else { return self }
    var result = self
    if path.count == 1 {
      result[name] = value
    } else {
      let inner = result[name]?.objectValue ?? JSONObject()
      result[name] = .object(inner.setting(value, at: path.dropFirst()))
    }
    return result
  }
}
