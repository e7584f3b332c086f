import Cryptography
import FileTree
import Glibc
import ObjectStorage
import Platform
import TestSupport
import Testing

@testable import BackupRepository

/// Every snapshot of the real repositories, restored and compared with the list of what a correct
/// restore holds.
@Suite struct RestoreFixtureTests {
  @Test(arguments: ["repo-v1", "repo-v2", "repo-v2-r014"])
  func restoresAreWhatTheManifestSays(name: String) throws {
    let repository = try Repository.open(
      try LocalStore(at: FormatFixture.root + "/" + name), password: Array("drover-fixture".utf8))
    let codec = try repository.makeCodec()
    let snapshots = try repository.snapshots(codec) { _, error in Issue.record("\(error)") }
    let manifest = try Manifest(name)
    #expect(snapshots.count == manifest.snapshots.members.count)
    for snapshot in snapshots {
      let directory = try TemporaryDirectory()
      var options = RestoreOptions(target: directory.path("a/b"))
      options.verifies = true
      options.synchronizes = false
      let report = try Restore(repository, snapshot.record, options).run()
      #expect(report.problems.isEmpty)
      #expect(report.filesVerified == report.filesRestored)
      let root = directory.path("a/b/srv/drover-fixture")
      let entries = try manifest.entries(snapshot.id.hex)
      #expect(entries.count > 10)
      for entry in entries { try check(entry, root, keepsBadTargets: name == "repo-v2") }
      let found = try ByteFiles.walk(Array(root.utf8))
      #expect(found.count == entries.count - 1)  // without the root itself
      for group in Set(entries.compactMap { $0.string("hardlink_group") }) {
        let inodes = try entries.filter { $0.string("hardlink_group") == group }.map {
          try ByteFiles.status($0.path(root)).st_ino
        }
        #expect(inodes.count > 1 && Set(inodes).count == 1)
      }
    }
  }

  private func check(_ entry: Manifest.Entry, _ root: String, keepsBadTargets: Bool) throws {
    let path = entry.path(root)
    let status = try ByteFiles.status(path)
    let label = Comment(rawValue: entry.string("path") ?? "")
    let types: [String: mode_t] = [
      "dir": S_IFDIR, "file": S_IFREG, "symlink": S_IFLNK, "fifo": S_IFIFO, "dev": S_IFBLK,
      "chardev": S_IFCHR,
    ]
    #expect(status.st_mode & S_IFMT == types[entry.string("type") ?? ""], label)
    #expect(String(status.st_mode & 0o7777, radix: 8) == entry.mode, label)
    if geteuid() == 0 {
      #expect(Int64(status.st_uid) == entry.integer("uid"), label)
      #expect(Int64(status.st_gid) == entry.integer("gid"), label)
    }
    let time = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
    #expect(time == entry.integer("mtime_ns"), label)
    if let size = entry.integer("size") { #expect(Int64(status.st_size) == size, label) }
    if let digest = entry.string("sha256") {
      var hash = try SHA256()
      try ByteFiles.read(path).withUnsafeBytes { hash.update($0) }
      #expect(hex(hash.finish()) == digest, label)
    }
    if let count = entry.integer("nlink") { #expect(Int64(status.st_nlink) == count, label) }
    if let major = entry.integer("rdev_major") {
      #expect(Int64(FileSystem.major(of: UInt64(status.st_rdev))) == major, label)
    }
    if let minor = entry.integer("rdev_minor") {
      #expect(Int64(FileSystem.minor(of: UInt64(status.st_rdev))) == minor, label)
    }
    if let text = entry.string("target_b64"), let target = Base64.bytes(of: text) {
      // restic 0.14 has lost bytes that are not UTF-8.
      let isLost = !keepsBadTargets && entry.string("path") == "link-invalid-utf8"
      let expected = isLost ? Array(String(decoding: target, as: UTF8.self).utf8) : target
      #expect(try link(path) == expected, label)
    }
    for (name, value) in entry.attributes {
      #expect(try attribute(path, name) == Base64.bytes(of: value), label)
    }
  }

  private func link(_ path: [UInt8]) throws -> [UInt8] {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = path.withCString { readlink($0, &buffer, buffer.count) }
    guard count >= 0 else { throw PlatformError.last("readlink") }
    return buffer[..<count].map { UInt8(bitPattern: $0) }
  }

  private func attribute(_ path: [UInt8], _ name: String) throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = path.withCString { path in
      buffer.withUnsafeMutableBytes { ExtendedAttributes.get(path, name, into: $0) }
    }
    guard count >= 0 else { throw PlatformError.last("lgetxattr", name) }
    return Array(buffer[..<count])
  }
}

/// `manifest-<repository>.json`.
private struct Manifest {
  struct Entry {
    let object: JSONObject
    func string(_ name: String) -> String? { object[name]?.stringValue }
    func integer(_ name: String) -> Int64? { object[name]?.integerValue }

    /// Octal digits as `String(_:radix:)` writes them.
    var mode: String? {
      string("mode_octal").flatMap { Int($0, radix: 8) }.map { String($0, radix: 8) }
    }

    var attributes: [(String, String)] {
      (object["xattrs_b64"]?.objectValue?.members ?? []).map {
        ($0.name, $0.value.stringValue ?? "")
      }
    }

    func path(_ root: String) -> [UInt8] {
      let bytes = string("path_b64").flatMap { Base64.bytes(of: $0) } ?? []
      return ByteFiles.join(Array(root.utf8), bytes)
    }
  }

  let snapshots: JSONObject

  init(_ name: String) throws {
    let bytes = try ByteFiles.read(Array("\(FormatFixture.root)/manifest-\(name).json".utf8))
    guard let object = try JSONValue(parsing: bytes).objectValue else {
      throw TestFailure("a manifest is an object")
    }
    snapshots = object
  }

  func entries(_ snapshot: String) throws -> [Entry] {
    guard let list = snapshots[snapshot]?.arrayValue else { throw TestFailure("no \(snapshot)") }
    return list.compactMap { $0.objectValue.map(Entry.init) }
  }
}
