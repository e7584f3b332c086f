import FileTree
import Glibc
import Platform

extension RestoreWorker {
  /// Marks the pieces of a part of an item whose content the target has already.
  func compare(
    _ batch: RestoreBatch, _ number: Int, _ pieces: Range<Int>
  ) throws(RepositoryError) {
    let item = batch.item(number)
    do throws(TreeError) {
      let parent = try parent(item)
      let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
      let raw: Int32
      if item.obstacle == .partial {
        let temporary = RestoreTemporary.number(of: item.listing.name(of: item.entry))
        raw = retryingOnInterrupt { openat(parent, RestoreTemporary.name(temporary), flags) }
      } else {
        raw = retryingOnInterrupt { openat(parent, item.listing.cName(of: item.entry), flags) }
      }
      // What cannot be read is written anew.
      guard raw >= 0 else { return }
      let file = SharedDescriptor(owning: raw)
      guard isUsable(file.raw, item) else { return }
      for piece in pieces {
        if state.isStopped { return }
        batch.pieces[piece].isPresent = hasContent(file.raw, batch.pieces[piece])
      }
    } catch {
      try fail(batch, number, error)
    }
  }

  /// An unfinished file counts only when it is an ordinary one that nobody else has a name of.
  private func isUsable(_ descriptor: Int32, _ item: RestoreItem) -> Bool {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return false }
    return item.obstacle != .partial || (status.st_nlink == 1 && status.st_uid == geteuid())
  }

  private func hasContent(_ descriptor: Int32, _ piece: RestorePiece) -> Bool {
    let memory = buffer.reserve(piece.byteCount)
    let count: Int
    do throws(PlatformError) {
      count = try FileIO.read(descriptor, into: memory, at: piece.fileOffset)
    } catch {
      return false  // what cannot be read is written anew
    }
    guard count == memory.count else { return false }
    return codec.identifier(of: UnsafeRawBufferPointer(memory), BlobID.self) == piece.id
  }

  /// Reads a part of a restored file and compares it with what the snapshot says.
  func verify(
    _ batch: RestoreBatch, _ number: Int, _ pieces: Range<Int>
  ) throws(RepositoryError) {
    let item = batch.item(number)
    do throws(TreeError) {
      let parent = try parent(item)
      let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
      let name = item.listing.cName(of: item.entry)
      let raw = retryingOnInterrupt { openat(parent, name, flags) }
      guard raw >= 0 else { throw .system(.last("openat"), path: item.path) }
      let file = SharedDescriptor(owning: raw)
      var status = stat()
      guard fstat(file.raw, &status) == 0, Int64(status.st_size) == item.sizeBytes else {
        return differs(batch, number, "its size is not \(item.sizeBytes)")
      }
      for piece in pieces where !hasContent(file.raw, batch.pieces[piece]) {
        let offset = batch.pieces[piece].fileOffset
        return differs(batch, number, "its content differs from byte \(offset) on")
      }
      if pieces.upperBound == item.pieces.upperBound { state.count { $0.filesVerified += 1 } }
    } catch {
      try fail(batch, number, error)
    }
  }

  private func differs(_ batch: RestoreBatch, _ number: Int, _ message: String) {
    guard markFailed(batch, number) else { return }
    state.entryFailed(.entry, batch.item(number).path, "verification: \(message)")
  }
}
