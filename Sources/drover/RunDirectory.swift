import Glibc
import Platform

/// The temporary directory of one run (mode 0700): the locks of its movers.
struct RunDirectory {
  let path: String

  /// Makes it below `TMPDIR`, or `/tmp`. Calls `mkdtemp`.
  init() throws(PlatformError) {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(parent)/drover-run.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw .last("mkdtemp", parent) }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Removes it with the files in it. What cannot be removed is left: it holds nothing but empty
  /// files.
  func remove() {
    guard let directory = opendir(path) else { return }
    while let entry = readdir(directory) {
      withUnsafePointer(to: &entry.pointee.d_name.0) { name in
        _ = unlinkat(dirfd(directory), name, 0)
      }
    }
    closedir(directory)
    rmdir(path)
  }
}
