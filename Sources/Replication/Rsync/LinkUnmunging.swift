import FileTree
import Glibc
import Platform

/// Takes the prefix off the symbolic links that rsync has made harmless on receipt.
///
/// VolSync's source sends a list of links for this. The list is not used: it lacks links with odd
/// names and those of an earlier, broken try, and it is a peer's word. Instead every link below the
/// root is looked at: a run of a stock source has munged all that the source has, each of them
/// once, because rsync takes a link without the prefix for a changed one. A link whose own text
/// begins with the prefix has got it twice, and loses one.
struct LinkUnmunging {
  /// Source: rsyncd.conf(5), `munge symlinks`.
  static let prefix = Array("/rsyncd-munged/".utf8)

  private let root: TreeRoot
  /// Told of each link or directory that could not be put right.
  private let onProblem: @Sendable (_ path: [UInt8], _ message: String) -> Void

  init(
    root: TreeRoot, onProblem: @escaping @Sendable (_ path: [UInt8], _ message: String) -> Void
  ) {
    self.root = root
    self.onProblem = onProblem
  }

  /// Looks at the whole tree; gives the number of links that were changed. Nothing is followed:
  /// links are replaced by name, in directories that are opened from the root down.
  func run() throws -> Int64 {
    let (root, onProblem) = (root, onProblem)
    // The walk moves the working directory of its thread.
    return try Thread<Int64>("links") {
      let writer = TreeWriter(root: root, onProblem: onProblem)
      let walk = TreeWalk(root: root, options: WalkOptions()) { onProblem($0.path, $0.message) }
      var count: Int64 = 0
      while let listing = try walk.next() {
        count += LinkUnmunging.mend(listing, writer, onProblem)
      }
      return count
    }.join()
  }

  private static func mend(
    _ listing: DirectoryListing, _ writer: TreeWriter,
    _ onProblem: (_ path: [UInt8], _ message: String) -> Void
  ) -> Int64 {
    var count: Int64 = 0
    for entry in listing.entries where isMunged(entry, listing) {
      var mended = entry
      mended.target.offset += UInt32(prefix.count)
      mended.target.count -= UInt32(prefix.count)
      do throws(TreeError) {
        if entry.linkPath.count > 0 {
          try writer.makeLink(
            to: [UInt8](listing.bytes(entry.linkPath)), listing.path,
            [UInt8](listing.name(of: entry)))
        } else {
          try writer.makeSpecial(mended, in: listing)
        }
        count += 1
      } catch {
        onProblem(error.path, error.message)
      }
    }
    if count > 0 { restoreTime(of: listing, writer, onProblem) }
    return count
  }

  private static func isMunged(_ entry: Entry, _ listing: DirectoryListing) -> Bool {
    guard entry.kind == .symbolicLink else { return false }
    let target = listing.bytes(entry.target)
    return target.count > prefix.count && target.starts(with: prefix)
  }

  /// New links have changed the time of their directory, which is the source's.
  private static func restoreTime(
    of listing: DirectoryListing, _ writer: TreeWriter,
    _ onProblem: (_ path: [UInt8], _ message: String) -> Void
  ) {
    do throws(TreeError) {
      let directory = try writer.directories.descriptor(of: listing.path)
      writer.attributes.setTime(listing.directory, directory) { listing.path }
    } catch {
      onProblem(error.path, error.message)
    }
  }
}
