import FileTree
import Platform

/// What of a volume takes part in its mirror.
///
/// Left out are the directories `lost+found`, whose content is the file system's own, and
/// `permissions.facl` at the root, whose name stands for ``PermissionsFile`` in the bucket.
package struct VolumeSelection: Sendable {
  package static let excludes = ["lost+found/**", "/" + PermissionsFile.name]
  private static let skippedDirectory = "lost+found/"

  package let filter: MirrorFilter
  /// The part of ``filter`` that keeps a walk out of directories.
  let walkFilter: FilterRules

  /// `excludes` are patterns of rclone's, besides those of every volume.
  package init(excludes: [String] = []) throws(MirrorError) {
    var options = MirrorFilterOptions()
    options.exclude = VolumeSelection.excludes + excludes
    do throws(MirrorFilterError) { filter = try MirrorFilter(options, now: .now()) } catch {
      throw .usage(error.message)
    }
    do throws(FilterError) {
      walkFilter = FilterRules(
        rules: [try FilterRule(.exclude, VolumeSelection.skippedDirectory)])
    } catch {
      throw .usage(error.message)
    }
  }

  /// Whether something takes part; the directories above it do.
  func includes(_ path: [UInt8], _ entry: Entry) -> Bool {
    path.withUnsafeBufferPointer { path in
      switch entry.kind {
      case .directory: return filter.includes(directory: path)
      case .regular:
        let modified = WallTime(
          seconds: entry.modifiedSeconds, nanoseconds: Int32(entry.modifiedNanoseconds))
        return filter.includes(
          file: path, FilteredFile(sizeBytes: entry.size, modified: modified))
      default: return filter.includes(filePath: path)
      }
    }
  }

  /// Whether a path of any origin takes part, with all that is above it.
  func includes(_ path: [UInt8], isDirectory: Bool) -> Bool {
    path.withUnsafeBufferPointer { path in
      for (index, byte) in path.enumerated() where byte == 0x2f {
        let parent = UnsafeBufferPointer(rebasing: path[..<index])
        guard filter.includes(directory: parent) else { return false }
      }
      return isDirectory ? filter.includes(directory: path) : filter.includes(filePath: path)
    }
  }
}
